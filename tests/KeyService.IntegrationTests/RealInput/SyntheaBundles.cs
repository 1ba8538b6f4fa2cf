namespace KeyService.IntegrationTests.RealInput;

/// <summary>
/// 126 synthetic patients (132 MB), where the shared data directory stands beside the repository; skipped where it does not, in CI too.
/// </summary>
internal sealed class SyntheaBundles : IDisposable
{
    private readonly string directory = Directory.CreateTempSubdirectory("keyservice-synthea-").FullName;

    private SyntheaBundles()
    {
    }

    public IReadOnlyList<string> Files => Directory.GetFiles(directory, "*.json", SearchOption.AllDirectories).Order().ToList();

    public static async Task<SyntheaBundles> UnpackAsync()
    {
        var archive = Infrastructure.SharedData is { } data ? Path.Combine(data, "synthea-r4.tar.xz") : null;
        if (!File.Exists(archive))
        {
            Assert.Skip("The Synthea bundles (../shared/data/synthea-r4.tar.xz) are not part of the repository and are not here.");
        }
        var bundles = new SyntheaBundles();
        (await Command.RunAsync("tar", ["-xJf", archive, "-C", bundles.directory])).ExpectExit(0);
        return bundles;
    }

    public void Dispose() => Directory.Delete(directory, recursive: true);
}
