using System.Globalization;
using System.Security.Cryptography;
using KeyService.Crypto.IO;
using KeyService.Crypto.Logs;
using KeyService.Server.Audit.Search;

namespace KeyService.Server.Audit.Sinks;

/// <summary>
/// Writes records into files that are never written again: one under way for each slot, closed when it is confirmed. A closed file has its slot
/// and its first and last record in its name and is read-only; what was under way when a server died is kept aside, and its records are in the
/// next file. docs/spec/audit-copy.md.
/// </summary>
internal sealed class DirectorySink(DirectorySinkConfiguration configuration) : IAuditSink
{
    private const UnixFileMode Closed = UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    private const UnixFileMode Writing = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const int BufferSize = 128 * 1024;

    private readonly Dictionary<int, OpenFile> _open = [];
    private bool _looked;

    public SinkPace Pace { get; } = new(1_000_000, configuration.FileMiB * 1024L * 1024, configuration.FileAge);

    /// <summary>Name of the file of these records of a slot.</summary>
    public static string NameOf(int slot, long first, long last) =>
        string.Create(CultureInfo.InvariantCulture, $"{slot:d2}-{first:d19}-{last:d19}.records");

    public Task SendAsync(int slot, IReadOnlyList<LoggedRecord> records, CancellationToken cancellationToken) => Attempt(() =>
    {
        Look();
        if (!_open.TryGetValue(slot, out var file))
        {
            _open.Add(slot, file = Create(slot, records[0].Entry.Sequence));
        }

        foreach (var record in records)
        {
            LogTiles.AppendEntry(file.Stream, record.Entry.Record);
        }

        file.Last = records[^1].Entry.Sequence;
    });

    public Task ConfirmAsync(CancellationToken cancellationToken) => Attempt(() =>
    {
        foreach (var (slot, file) in _open.ToList())
        {
            Close(slot, file);
            _open.Remove(slot);
        }
    });

    public Task ResetAsync()
    {
        foreach (var file in _open.Values)
        {
            // Of a full disk nothing is to be expected but the space that it gives back.
            Quietly(file.Stream.Dispose);
            Quietly(() => File.Delete(file.Path));
        }

        _open.Clear();
        return Task.CompletedTask;
    }

    public async ValueTask DisposeAsync() => await ResetAsync();

    // Once: what a server left that died. A file that it had closed is whole under its name, whatever its mode.
    private void Look()
    {
        if (!Directory.Exists(configuration.Directory))
        {
            throw new DirectoryNotFoundException($"The directory {configuration.Directory} is not there. Mount or make it.");
        }

        if (_looked)
        {
            return;
        }

        foreach (var torn in Directory.EnumerateFiles(configuration.Directory, "*.part").ToList())
        {
            Quietly(() => SetMode(torn));
            Quietly(() => File.Move(torn, Path.ChangeExtension(torn, ".torn"), overwrite: false));
        }

        foreach (var file in Directory.EnumerateFiles(configuration.Directory, "*.records"))
        {
            if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(file) & UnixFileMode.UserWrite) != 0)
            {
                SetMode(file);
            }
        }

        _looked = true;
    }

    private OpenFile Create(int slot, long first)
    {
        if (OperatingSystem.IsWindows())
        {
            throw new PlatformNotSupportedException("Durable files need fsync and Unix permissions.");
        }

        var path = Path.Combine(
            configuration.Directory,
            string.Create(CultureInfo.InvariantCulture, $"{slot:d2}-{first:d19}-{RandomNumberGenerator.GetHexString(12, lowercase: true)}.part"));
        var stream = new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, Share = FileShare.Read, BufferSize = BufferSize, UnixCreateMode = Writing,
        });
        return new OpenFile(path, stream, first) { Last = first };
    }

    private void Close(int slot, OpenFile file)
    {
        var name = NameOf(slot, file.First, file.Last);
        var path = Path.Combine(configuration.Directory, name);
        file.Stream.Flush();
        DurableFile.Flush(file.Stream.SafeFileHandle);
        if (File.Exists(path))
        {
            DemandSame(file.Stream, path, name);
            file.Stream.Dispose();
            File.Delete(file.Path);
            return;
        }

        // Refused when somebody else has made it meanwhile.
        File.Move(file.Path, path, overwrite: false);
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(file.Stream.SafeFileHandle, Closed);
        }

        DurableFile.Flush(file.Stream.SafeFileHandle);
        file.Stream.Dispose();
        DurableFile.FlushDirectory(configuration.Directory);
    }

    // Delivered before, and the server died before it could write that down.
    private static void DemandSame(FileStream written, string path, string name)
    {
        written.Position = 0;
        using var standing = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, BufferSize);
        if (!SHA256.HashData(written).AsSpan().SequenceEqual(SHA256.HashData(standing)))
        {
            throw new SinkException($"{name} is there and holds other records than the log: the log or the file was changed. Keep both and compare them with a third copy.");
        }
    }

    private static Task Attempt(Action action)
    {
        try
        {
            action();
            return Task.CompletedTask;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Task.FromException(new SinkException(e.Message, e));
        }
        catch (SinkException e)
        {
            return Task.FromException(e);
        }
    }

    private static void SetMode(string path)
    {
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(path, Closed);
        }
    }

    private static void Quietly(Action action)
    {
        try
        {
            action();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What cannot be put away stays; nothing reads it.
        }
    }

    private sealed record OpenFile(string Path, FileStream Stream, long First)
    {
        public long Last { get; set; }
    }
}
