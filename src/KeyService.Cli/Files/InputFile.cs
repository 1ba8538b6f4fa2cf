using KeyService.Cli.CommandLine;

namespace KeyService.Cli.Files;

/// <summary>Where input comes from: a file, or stdin when the path is absent or "-".</summary>
internal static class InputFile
{
    public static Stream Open(string? path)
    {
        if (path is null or "-")
        {
            return DescriptorStream.StandardInput();
        }
        try
        {
            return new FileStream(path, new FileStreamOptions
            {
                Mode = FileMode.Open,
                Access = FileAccess.Read,
                Share = FileShare.ReadWrite | FileShare.Delete,
                Options = FileOptions.SequentialScan,
                BufferSize = 0,
            });
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CliError(ExitCode.Conflict, "NOT_FOUND", $"{path} does not exist.", "Check the path.", e);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new CliError(ExitCode.Failed, "IO", Directory.Exists(path) ? $"{path} is a directory." : $"{path} may not be read.",
                Directory.Exists(path) ? "Archive it with tar: keyservice encrypt … -- tar -c DIRECTORY." : "Check its permissions.", e);
        }
    }

    /// <summary>Bytes to come, when the input knows.</summary>
    public static long? LengthOf(Stream stream) => stream.CanSeek ? stream.Length : null;

    /// <summary>All of a small input. More than the limit is refused.</summary>
    public static async Task<byte[]> ReadSmallAsync(string? path, int limit, CancellationToken cancellation)
    {
        var input = Open(path);
        await using (input.ConfigureAwait(false))
        {
            var buffer = new byte[limit + 1];
            var length = await input.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellation).ConfigureAwait(false);
            return length <= limit
                ? buffer[..length]
                : throw CliError.Usage($"The input is longer than {limit} bytes.", "Encrypt it as an archive (keyservice encrypt), or give less.");
        }
    }
}
