namespace KeyService.IntegrationTests;

/// <summary>What a test needs from the machine. Missing infrastructure skips a test on a laptop and fails it where CI=true.</summary>
internal static class Infrastructure
{
    /// <summary>Debian's place of SoftHSM's PKCS#11 module.</summary>
    public const string SoftHsmModule = "/usr/lib/softhsm/libsofthsm2.so";

    public static bool IsContinuousIntegration { get; } =
        string.Equals(Environment.GetEnvironmentVariable("CI"), "true", StringComparison.OrdinalIgnoreCase);

    public static string RepositoryRoot { get; } = FindRepositoryRoot();

    /// <summary>Directory of larger test data (Synthea, Wycheproof) that stands outside the repository, or null.</summary>
    public static string? SharedData { get; } = FindSharedData();

    /// <summary>Ends the test here when something it needs is absent: as skipped, or as failed where CI=true.</summary>
    /// <param name="available">Whether it is there.</param>
    /// <param name="what">What it is and how to get it, for the person who reads the report.</param>
    public static void Require([System.Diagnostics.CodeAnalysis.DoesNotReturnIf(false)] bool available, string what)
    {
        if (available)
        {
            return;
        }
        if (IsContinuousIntegration)
        {
            Assert.Fail($"Not available, and CI=true does not forgive that: {what}");
        }
        Assert.Skip($"Not available: {what}");
    }

    /// <summary>Path of an executable on PATH or in Debian's PostgreSQL directory, or the end of the test.</summary>
    public static string RequireTool(string name, string package)
    {
        var path = FindTool(name);
        Require(path is not null, $"{name} (apt-get install {package})");
        return path;
    }

    public static string? FindTool(string name)
    {
        var postgres = Directory.Exists("/usr/lib/postgresql")
            ? Directory.GetDirectories("/usr/lib/postgresql").OrderDescending().Select(version => Path.Combine(version, "bin"))
            : [];
        var path = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries);
        return postgres.Concat(path).Select(directory => Path.Combine(directory, name)).FirstOrDefault(File.Exists);
    }

    public static void RequireSoftHsm()
    {
        Require(File.Exists(SoftHsmModule), "SoftHSM (apt-get install softhsm2)");
        RequireTool("softhsm2-util", "softhsm2");
    }

    private static string FindRepositoryRoot()
    {
        for (var directory = new DirectoryInfo(AppContext.BaseDirectory); directory is not null; directory = directory.Parent)
        {
            if (File.Exists(Path.Combine(directory.FullName, "KeyService.sln")))
            {
                return directory.FullName;
            }
        }
        throw new InvalidOperationException("The tests run from inside the repository: KeyService.sln was not found above them.");
    }

    private static string? FindSharedData()
    {
        var named = Environment.GetEnvironmentVariable("KEYSERVICE_SHARED_DATA");
        var path = string.IsNullOrEmpty(named) ? Path.Combine(RepositoryRoot, "..", "shared", "data") : named;
        return Directory.Exists(path) ? Path.GetFullPath(path) : null;
    }
}
