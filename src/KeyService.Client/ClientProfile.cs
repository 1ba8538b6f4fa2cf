using System.Text.Json;

namespace KeyService.Client;

/// <summary>
/// A client profile: a JSON file that names endpoint, CA, certificate and private key, so that nothing of it has to be
/// repeated. Relative paths are relative to the file. It holds no secret itself.
/// </summary>
public sealed record ClientProfile
{
    private static readonly string[] Members = ["endpoint", "ca", "certificate", "privateKey", "accessTokenFile", "serverConfig"];

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

    /// <summary>See <see cref="ClientOptions.AccessTokenPath"/>.</summary>
    public string? AccessTokenPath { get; init; }

    /// <summary>Configuration of the server on this machine, when there is one.</summary>
    public string? ServerConfigPath { get; init; }

    /// <summary>The options of a client that uses this profile.</summary>
    public ClientOptions ToOptions() => new()
    {
        Endpoint = Endpoint,
        CaPath = CaPath,
        ClientCertificatePath = CertificatePath,
        ClientKeyPath = PrivateKeyPath,
        AccessTokenPath = AccessTokenPath,
    };

    /// <summary>Reads a profile. An unknown name, a missing endpoint or bad JSON is a <see cref="KeyServiceException"/> (CONFIGURATION).</summary>
    public static ClientProfile Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        path = System.IO.Path.GetFullPath(path);
        try
        {
            return Parse(path, File.ReadAllBytes(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new KeyServiceException(ClientReason.Configuration, $"The client profile {path} cannot be read: {e.Message}",
                "Name a readable profile with --profile or KEYSERVICE_PROFILE.", e);
        }
    }

    /// <summary>Reads the bytes of a profile; the path is where relative ones count from.</summary>
    internal static ClientProfile Parse(string path, ReadOnlySpan<byte> json)
    {
        Dictionary<string, string> file;
        try
        {
            file = Read(json);
        }
        catch (JsonException e)
        {
            throw Broken(path, e.LineNumber is { } line ? $"line {line + 1}: {FirstSentence(e.Message)}" : FirstSentence(e.Message), e);
        }
        catch (InvalidOperationException e)
        {
            // "\ud800" is JSON and no text: the reader lets it pass and throws when it is asked for.
            throw Broken(path, "a text in it holds half a character (a lone surrogate) or is not UTF-8", e);
        }
        if (file.FirstOrDefault(member => member.Value.Contains('\0', StringComparison.Ordinal)).Key is { } named)
        {
            throw Broken(path, $"\"{named}\" holds U+0000", null);
        }
        if (file.GetValueOrDefault("endpoint") is not { } endpoint || string.IsNullOrWhiteSpace(endpoint))
        {
            throw Broken(path, "\"endpoint\" is missing", null);
        }
        var directory = System.IO.Path.GetDirectoryName(path)!;
        return new ClientProfile
        {
            Path = path,
            Endpoint = Endpoints.Resolve(endpoint, directory),
            CaPath = Resolve(file.GetValueOrDefault("ca"), directory),
            CertificatePath = Resolve(file.GetValueOrDefault("certificate"), directory),
            PrivateKeyPath = Resolve(file.GetValueOrDefault("privateKey"), directory),
            AccessTokenPath = Resolve(file.GetValueOrDefault("accessTokenFile"), directory),
            ServerConfigPath = Resolve(file.GetValueOrDefault("serverConfig"), directory),
        };
    }

    // By hand: the serializer's set-up takes as long as everything else before the first call together.
    private static Dictionary<string, string> Read(ReadOnlySpan<byte> json)
    {
        var members = new Dictionary<string, string>(StringComparer.Ordinal);
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip });
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
        {
            throw new JsonException("it is not a JSON object");
        }
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString()!;
            if (!Members.Contains(name))
            {
                throw new JsonException($"\"{name}\" is no name of a profile");
            }
            reader.Read();
            if (reader.TokenType is not (JsonTokenType.String or JsonTokenType.Null))
            {
                throw new JsonException($"\"{name}\" is not a text");
            }
            if (!members.TryAdd(name, reader.GetString() ?? ""))
            {
                throw new JsonException($"\"{name}\" stands there twice");
            }
        }
        // Reading on finds what stands behind the object.
        return reader.Read() ? throw new JsonException("something stands behind the object") : members;
    }

    private static string? Resolve(string? path, string directory) =>
        string.IsNullOrEmpty(path) ? null : System.IO.Path.GetFullPath(path, directory);

    private static KeyServiceException Broken(string path, string why, Exception? cause) => new(
        ClientReason.Configuration, $"The client profile {path} is not valid: {why}.",
        "It is a JSON object with endpoint, ca, certificate, privateKey, if need be accessTokenFile, and, on the server's machine, serverConfig.", cause);

    private static string FirstSentence(string text)
    {
        var end = text.IndexOf(". ", StringComparison.Ordinal);
        return (end < 0 ? text : text[..end]).TrimEnd('.');
    }
}
