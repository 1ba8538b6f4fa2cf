namespace KeyService.Server.Hosting;

/// <summary>The configuration file cannot be used. Each finding is one sentence that names the key and what to do.</summary>
internal sealed class ConfigurationException(string path, IReadOnlyList<string> findings)
    : Exception($"{path}: {string.Join(' ', findings)}")
{
    public string Path { get; } = path;

    public IReadOnlyList<string> Findings { get; } = findings;
}
