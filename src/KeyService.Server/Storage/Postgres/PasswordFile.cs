namespace KeyService.Server.Storage.Postgres;

/// <summary>A database password in the first line of a file that only its owner may read.</summary>
internal static class PasswordFile
{
    private const UnixFileMode OthersOrGroup = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;

    /// <exception cref="StoreOpenException">The file cannot be read, is empty, or can be read by others.</exception>
    public static string Read(string path)
    {
        try
        {
            if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & OthersOrGroup) != 0)
            {
                throw new StoreOpenException($"The password file {path} can be read or written by others than its owner; chmod 600 it.");
            }

            using var reader = new StreamReader(path);
            return reader.ReadLine() is { Length: > 0 } password
                ? password
                : throw new StoreOpenException($"The password file {path} has nothing in its first line.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StoreOpenException($"The password file {path} cannot be read: {e.Message}", e);
        }
    }
}
