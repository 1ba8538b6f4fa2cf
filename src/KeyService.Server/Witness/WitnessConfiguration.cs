using System.Net;
using System.Text.Json;
using KeyService.Crypto.Logs;
using KeyService.Server.Hosting;
using ConfigurationSection = KeyService.Server.Hosting.ConfigurationSection;

namespace KeyService.Server.Witness;

/// <summary>What a witness runs by: one strict JSON file of its operator, docs/operations.md.</summary>
/// <param name="Name">The name of its key: a URL without a scheme, by habit.</param>
/// <param name="Listen">Where it is asked.</param>
/// <param name="CertificatePath">PEM; null without TLS, which only a loopback address may be.</param>
/// <param name="PrivateKeyPath">PEM.</param>
/// <param name="KeyFile">The private key: 64 hexadecimal digits, mode 0600.</param>
/// <param name="StateDirectory">Where the last cosigned checkpoint of each log stands.</param>
/// <param name="Logs">Keys that it believes, by the origin of their log.</param>
internal sealed record WitnessConfiguration(
    string Name, IPEndPoint Listen, string? CertificatePath, string? PrivateKeyPath, string KeyFile, string StateDirectory,
    IReadOnlyDictionary<string, IReadOnlyList<NoteVerifier>> Logs)
{
    private const int MaxBytes = 1024 * 1024;

    /// <exception cref="ConfigurationException">With every finding.</exception>
    public static WitnessConfiguration Load(string path)
    {
        path = Path.GetFullPath(path);
        try
        {
            return new FileInfo(path) is { Exists: true, Length: > MaxBytes }
                ? throw new ConfigurationException(path, ["The file is larger than 1 MiB."])
                : Parse(path, File.ReadAllText(path));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ConfigurationException(path, [$"The file cannot be read: {exception.Message}"]);
        }
    }

    /// <inheritdoc cref="Load"/>
    public static WitnessConfiguration Parse(string path, string text)
    {
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(text, new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
        }
        catch (JsonException exception)
        {
            throw new ConfigurationException(path, [$"Not JSON, line {exception.LineNumber + 1}: {exception.Message}"]);
        }

        using (document)
        {
            var findings = new List<string>();
            var root = new ConfigurationSection("", document.RootElement, Path.GetDirectoryName(path)!, findings);
            var configuration = Of(root);
            root.Finish();
            return findings.Count == 0 ? configuration : throw new ConfigurationException(path, findings);
        }
    }

    private static WitnessConfiguration Of(ConfigurationSection root)
    {
        var name = root.RequiredText("name");
        if (!NoteSignature.IsKeyName(name))
        {
            root.Find("name", "must be a name without spaces and '+', for example \"witness.example.org/w1\"");
        }

        var listen = root.RequiredText("listen");
        if (!IPEndPoint.TryParse(listen, out var endpoint) || !listen.Contains(':', StringComparison.Ordinal) || endpoint.Port == 0)
        {
            root.Find("listen", "must be an address and a port, for example \"0.0.0.0:8553\"");
            endpoint = new IPEndPoint(IPAddress.Loopback, 1);
        }

        var tls = root.Section("tls");
        var certificate = root.Has("tls") ? tls.RequiredFile("certificate") : tls.File("certificate");
        var key = root.Has("tls") ? tls.RequiredFile("privateKey") : tls.File("privateKey");
        tls.Finish();
        if (certificate is null && !IPAddress.IsLoopback(endpoint.Address))
        {
            root.Find("tls", "is missing: without it only a loopback address is listened at");
        }

        return new WitnessConfiguration(name, endpoint, certificate, key, root.RequiredFile("keyFile"), root.RequiredFile("stateDirectory"), LogsOf(root));
    }

    private static Dictionary<string, IReadOnlyList<NoteVerifier>> LogsOf(ConfigurationSection root)
    {
        var logs = new Dictionary<string, IReadOnlyList<NoteVerifier>>(StringComparer.Ordinal);
        foreach (var section in root.Sections("logs"))
        {
            var text = section.RequiredText("key");
            var origin = section.Text("origin");
            section.Finish();
            if (!NoteVerifier.TryParse(text, out var key) || key!.Algorithm == NoteAlgorithm.Cosignature)
            {
                section.Find("key", "must be a log's verifier key, NAME+ID+BASE64 (keyservice audit key writes it)");
                continue;
            }

            // An installation's key signs all its logs: what is witnessed is the directory, which commits to the others.
            origin ??= LogNames.TryParse(key.Name, out var names) ? names!.Directory : key.Name;
            if (!NoteSignature.IsKeyName(origin))
            {
                section.Find("origin", "must be the first line of the log's checkpoints");
                continue;
            }

            logs[origin] = [.. logs.GetValueOrDefault(origin) ?? [], key.Named(origin)];
        }

        if (logs.Count == 0)
        {
            root.Find("logs", "must name the key of one log at least, [{ \"key\": … }]");
        }

        return logs;
    }
}
