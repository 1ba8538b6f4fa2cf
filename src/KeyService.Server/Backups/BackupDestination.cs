using System.Security.Cryptography;
using KeyService.Crypto.Backups;
using KeyService.Crypto.IO;

namespace KeyService.Server.Backups;

/// <summary>
/// A directory that holds bundles. What stands there under a final name was whole and on the disk when it got the name. It is never made here: a mount
/// point that is not mounted must not be taken for the disk that belongs there. One caller at a time.
/// </summary>
internal sealed class BackupDestination(BackupDestinationConfiguration configuration, TimeProvider time)
{
    private const UnixFileMode Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead;
    private const int CopyLength = 256 * 1024;

    private static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LastRetry = TimeSpan.FromMinutes(10);

    private int _failures;

    public string Name => configuration.Name;

    public string Directory => configuration.Directory;

    /// <summary>What is wrong with it, one sentence; null while nothing is known to be.</summary>
    public string? Problem { get; private set; }

    /// <summary>When it is tried again after a failure.</summary>
    public DateTimeOffset RetryTime { get; private set; } = DateTimeOffset.MinValue;

    /// <summary>Whether it may be tried now.</summary>
    public bool IsDue => time.GetUtcNow() >= RetryTime;

    /// <summary>Whether it failed since <see cref="Begin"/>.</summary>
    public bool IsFailing { get; private set; }

    /// <summary>It is tried now.</summary>
    public void Begin()
    {
        IsFailing = false;
        RetryTime = DateTimeOffset.MinValue;
    }

    /// <summary>It failed: tried again after 5 s, 10 s, 20 s, … up to 10 min.</summary>
    public void Failed(string problem)
    {
        Problem = problem;
        if (!IsFailing)
        {
            IsFailing = true;
            RetryTime = time.GetUtcNow() + TimeSpan.FromTicks(Math.Min(FirstRetry.Ticks << Math.Min(_failures++, 16), LastRetry.Ticks));
        }
    }

    /// <summary>Does something with it. What fails is told, and tried again later.</summary>
    /// <returns>Whether it went well.</returns>
    public async Task<bool> TryAsync(Func<Task> work, ILogger logger)
    {
        try
        {
            await work();
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or BundleException)
        {
            Failed(e.Message);
            logger.DestinationFailed(Name, e.Message);
            return false;
        }
    }

    /// <summary>All that belongs there stands there.</summary>
    public void Worked()
    {
        Problem = null;
        _failures = 0;
    }

    /// <summary>Looks whether the directory is there, and removes what a server that died left half written.</summary>
    /// <param name="prefix">What names of this installation's files begin with.</param>
    /// <exception cref="IOException">It is not there.</exception>
    public void Look(string prefix)
    {
        if (!System.IO.Directory.Exists(Directory))
        {
            throw new DirectoryNotFoundException($"The directory {Directory} is not there. Mount or make it.");
        }

        foreach (var left in System.IO.Directory.EnumerateFiles(Directory, $".{prefix}*.tmp"))
        {
            File.Delete(left);
        }
    }

    /// <summary>
    /// Writes a file: under another name, flushed, opened again and read back from its beginning to its end, and only then renamed. Whatever fails, nothing
    /// new stands under the final name.
    /// </summary>
    /// <param name="signingKey">Who must have signed what is read back.</param>
    /// <exception cref="IOException">The destination fails.</exception>
    /// <exception cref="BundleException">What was written does not read back.</exception>
    public async Task<VerifiedBundle> WriteAsync(
        string fileName, ReadOnlyMemory<byte> signingKey, Func<Stream, Task> write, CancellationToken cancellationToken)
    {
        if (OperatingSystem.IsWindows())
        {
            throw new PlatformNotSupportedException("Durable files need fsync and Unix permissions.");
        }

        var path = Path.Combine(Directory, fileName);
        var temporary = Path.Combine(Directory, $".{fileName}.{RandomNumberGenerator.GetHexString(12, lowercase: true)}.tmp");
        try
        {
            await using (var stream = new FileStream(temporary, new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                Share = FileShare.None,
                BufferSize = 0,
                Options = FileOptions.Asynchronous,
                UnixCreateMode = Mode,
            }))
            {
                await write(stream);
                DurableFile.Flush(stream.SafeFileHandle);
                DurableFile.DropFromCache(stream.SafeFileHandle);
            }

            var verified = await VerifyFileAsync(temporary, signingKey, cancellationToken);
            DurableFile.Publish(temporary, path);
            return verified;
        }
        catch
        {
            Remove(temporary);
            throw;
        }
    }

    /// <summary>Reads a bundle to its end and verifies it.</summary>
    /// <exception cref="FileNotFoundException">It is not there.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="BundleException">It does not verify.</exception>
    public Task<VerifiedBundle> VerifyAsync(string fileName, ReadOnlyMemory<byte> signingKey, CancellationToken cancellationToken) =>
        VerifyFileAsync(Path.Combine(Directory, fileName), signingKey, cancellationToken);

    /// <summary>Copies a file of another destination here, as <see cref="WriteAsync"/> does.</summary>
    /// <exception cref="IOException">One of the two fails.</exception>
    /// <exception cref="BundleException">What was copied does not read back.</exception>
    public async Task<VerifiedBundle> CopyAsync(
        BackupDestination source, string fileName, ReadOnlyMemory<byte> signingKey, CancellationToken cancellationToken)
    {
        await using var from = Open(Path.Combine(source.Directory, fileName));
        return await WriteAsync(fileName, signingKey, to => from.CopyToAsync(to, CopyLength, cancellationToken), cancellationToken);
    }

    private static async Task<VerifiedBundle> VerifyFileAsync(string path, ReadOnlyMemory<byte> signingKey, CancellationToken cancellationToken)
    {
        await using var file = Open(path);
        DurableFile.DropFromCache(file.SafeFileHandle);
        return await VerifiedBundle.ReadAsync(file, signingKey, cancellationToken);
    }

    private static FileStream Open(string path) => new(path, new FileStreamOptions
    {
        Mode = FileMode.Open,
        Access = FileAccess.Read,
        Share = FileShare.ReadWrite | FileShare.Delete,
        BufferSize = 0,
        Options = FileOptions.Asynchronous | FileOptions.SequentialScan,
    });

    private static void Remove(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The disk is gone; what is left goes with the next look.
        }
    }
}
