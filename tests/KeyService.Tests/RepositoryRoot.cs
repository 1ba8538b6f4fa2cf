namespace KeyService.Tests;

/// <summary>Where the repository lies: the folder above the test binaries that holds the solution.</summary>
internal static class RepositoryRoot
{
    internal static string Path { get; } = Find();

    /// <summary>The shared test data beside the repository, or where KEYSERVICE_SHARED_DATA says; may not exist.</summary>
    internal static string SharedData =>
        Environment.GetEnvironmentVariable("KEYSERVICE_SHARED_DATA") ?? System.IO.Path.GetFullPath(System.IO.Path.Combine(Path, "../shared/data"));

    private static string Find()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(System.IO.Path.Combine(folder.FullName, "KeyService.sln")))
            {
                return folder.FullName;
            }
        }
        throw new InvalidOperationException("The tests run outside their repository.");
    }
}
