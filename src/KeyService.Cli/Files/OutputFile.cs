using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using KeyService.Crypto.IO;

namespace KeyService.Cli.Files;

/// <summary>
/// Where a result goes. A file appears only when it is whole: temporary file in the same directory, mode 0600, fsync, rename, fsync of the
/// directory. Standard output and devices are the exception: what is written there is there at once.
/// </summary>
internal sealed class OutputFile : IDisposable
{
    private readonly string? path;
    private readonly string? temporary;
    private readonly bool force;

    private OutputFile(Stream stream, string? path, string? temporary, bool force)
    {
        Stream = stream;
        this.path = path;
        this.temporary = temporary;
        this.force = force;
    }

    public Stream Stream { get; }

    /// <summary>True when nothing is seen of it before it is whole.</summary>
    public bool AppearsWhole => temporary is not null;

    /// <summary>For the final line: " -> dump.ksa", or nothing for stdout.</summary>
    public string Arrow => path is null ? "" : $" -> {Terminal.Printable(path)}";

    /// <summary>Path for reports, null for stdout.</summary>
    public string? Path => path;

    /// <summary>Opens the result. Null or "-" is stdout, which is refused when a terminal would show binary.</summary>
    public static OutputFile Create(string? path, bool force)
    {
        if (path is null or "-" or "/dev/stdout")
        {
            return Terminal.IsOutput && !force
                ? throw CliError.Usage("The result is binary and stdout is a terminal.", "Name a file with -o, send stdout into a file or pipe, or insist with --force.")
                : new OutputFile(DescriptorStream.StandardOutput(), null, null, force);
        }
        // /dev/null, a named pipe: there is nothing that a rename could stand in for.
        if (FileKind.IsSpecial(path))
        {
            return new OutputFile(new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0), path, null, force);
        }
        if (Directory.Exists(path))
        {
            throw CliError.Usage($"{path} is a directory.", "Name a file.");
        }
        if (!force && System.IO.Path.Exists(path))
        {
            throw Exists(path);
        }
        var directory = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!;
        var temporary = System.IO.Path.Combine(
            directory, $".{System.IO.Path.GetFileName(path)}.{Guid.NewGuid().ToString("N")[..8]}.tmp");
        var stream = new FileStream(temporary, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            // What was written may be read back before it is committed.
            Share = FileShare.Read,
            BufferSize = 0,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
        TemporaryFiles.Add(temporary);
        return new OutputFile(stream, path, temporary, force);
    }

    /// <summary>What was written so far, to be looked at before it is committed.</summary>
    /// <exception cref="InvalidOperationException">It does not appear whole, but as it is written.</exception>
    public Stream ReadBack() => temporary is null
        ? throw new InvalidOperationException("What went to a stream is gone.")
        : new FileStream(temporary, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);

    /// <summary>Says that it is whole: from now on the file is there, durably, or this throws and it is not.</summary>
    public void Commit()
    {
        if (temporary is null)
        {
            Stream.Flush();
            return;
        }
        var file = (FileStream)Stream;
        DurableFile.Flush(file.SafeFileHandle);
        file.Dispose();
        TemporaryFiles.Publish(temporary, () =>
        {
            if (!Renaming.TryRename(temporary, path!, force))
            {
                throw Exists(path!);
            }
        });
        DurableFile.FlushDirectory(System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path!))!);
    }

    /// <summary>Without <see cref="Commit"/> before, nothing stays of a file.</summary>
    public void Dispose()
    {
        Stream.Dispose();
        if (temporary is not null)
        {
            TemporaryFiles.Remove(temporary);
        }
    }

    private static CliError Exists(string path) => new(
        ExitCode.Conflict, "ALREADY_EXISTS", $"{path} exists already.", "Name another file, or replace it with --force.");
}
