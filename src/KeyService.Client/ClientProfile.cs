using System.Text.Json;
using System.Text.Json.Serialization;

namespace KeyService.Client;

/// <summary>
/// A client profile: a JSON file that names endpoint, CA, certificate and private key, so that nothing of it has to be
/// repeated. Relative paths are relative to the file. It holds no secret itself.
/// </summary>
public sealed partial record ClientProfile
{
    /// <summary>The file it was read from.</summary>
    public required string Path { get; init; }

    /// <summary>See <see cref="ClientOptions.Endpoint"/>.</summary>
    public required string Endpoint { get; init; }

    /// <summary>See <see cref="ClientOptions.CaPath"/>.</summary>
    public string? CaPath { get; init; }

    /// <summary>See <see cref="ClientOptions.ClientCertificatePath"/>.</summary>
    public string? CertificatePath { get; init; }

    /// <summary>See <see cref="ClientOptions.ClientKeyPath"/>.</summary>
    public string? PrivateKeyPath { get; init; }

    /// <summary>Configuration of the server on this machine, when there is one.</summary>
    public string? ServerConfigPath { get; init; }

    /// <summary>The options of a client that uses this profile.</summary>
    public ClientOptions ToOptions() => new()
    {
        Endpoint = Endpoint,
        CaPath = CaPath,
        ClientCertificatePath = CertificatePath,
        ClientKeyPath = PrivateKeyPath,
    };

    /// <summary>Reads a profile. An unknown name, a missing endpoint or bad JSON is a <see cref="KeyServiceException"/> (CONFIGURATION).</summary>
    public static ClientProfile Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        path = System.IO.Path.GetFullPath(path);
        FileShape? file;
        try
        {
            file = JsonSerializer.Deserialize(File.ReadAllBytes(path), ShapeContext.Default.FileShape);
        }
        catch (JsonException e)
        {
            throw Broken(path, $"line {e.LineNumber + 1}: {FirstSentence(e.Message)}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new KeyServiceException(ClientReason.Configuration, $"The client profile {path} cannot be read: {e.Message}",
                "Name a readable profile with --profile or KEYSERVICE_PROFILE.", e);
        }
        if (string.IsNullOrWhiteSpace(file?.Endpoint))
        {
            throw Broken(path, "\"endpoint\" is missing", null);
        }
        var directory = System.IO.Path.GetDirectoryName(path)!;
        return new ClientProfile
        {
            Path = path,
            Endpoint = Endpoints.Resolve(file.Endpoint, directory),
            CaPath = Resolve(file.Ca, directory),
            CertificatePath = Resolve(file.Certificate, directory),
            PrivateKeyPath = Resolve(file.PrivateKey, directory),
            ServerConfigPath = Resolve(file.ServerConfig, directory),
        };
    }

    private static string? Resolve(string? path, string directory) =>
        string.IsNullOrEmpty(path) ? null : System.IO.Path.GetFullPath(path, directory);

    private static KeyServiceException Broken(string path, string why, Exception? cause) => new(
        ClientReason.Configuration, $"The client profile {path} is not valid: {why}.",
        "It is a JSON object with endpoint, ca, certificate, privateKey and, on the server's machine, serverConfig.", cause);

    private static string FirstSentence(string text)
    {
        var end = text.IndexOf(". ", StringComparison.Ordinal);
        return (end < 0 ? text : text[..end]).TrimEnd('.');
    }

    internal sealed record FileShape
    {
        public string? Endpoint { get; init; }
        public string? Ca { get; init; }
        public string? Certificate { get; init; }
        public string? PrivateKey { get; init; }
        public string? ServerConfig { get; init; }
    }

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow, AllowTrailingCommas = true,
        ReadCommentHandling = JsonCommentHandling.Skip)]
    [JsonSerializable(typeof(FileShape))]
    internal sealed partial class ShapeContext : JsonSerializerContext;
}
