using System.Buffers;
using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

namespace KeyService.Crypto.IO;

/// <summary>
/// Files that must survive a power cut. <see cref="FileStream.Flush(bool)"/> and RandomAccess.FlushToDisk swallow a failed fsync on Linux
/// (.NET 10.0.12, seen with injected EIO and ENOSPC), so fsync is called and checked here.
/// </summary>
public static partial class DurableFile
{
    private const string Temporary = ".tmp";
    private const int RandomDigits = 12;
    private const int Interrupted = 4;
    private const int ReadOnly = 0;
    private const int DoNotNeed = 4;
    private static readonly SearchValues<char> HexDigits = SearchValues.Create("0123456789abcdef");

    /// <summary>fsync of an open file.</summary>
    /// <exception cref="IOException">The data may not be on the disk. Do not retry: the kernel may have dropped the dirty pages.</exception>
    public static void Flush(SafeFileHandle file)
    {
        ArgumentNullException.ThrowIfNull(file);
        while (Fsync(file) != 0)
        {
            ThrowUnlessInterrupted("fsync failed");
        }
    }

    /// <summary>
    /// Asks the kernel to forget what it holds of a flushed file, so that the next read of it comes from the device. Only advice: a kernel or file system that
    /// does not heed it reads from memory.
    /// </summary>
    public static void DropFromCache(SafeFileHandle file)
    {
        ArgumentNullException.ThrowIfNull(file);
        _ = FileAdvice(file, 0, 0, DoNotNeed);
    }

    /// <summary>fsync of a directory: makes a creation, rename or deletion in it durable.</summary>
    /// <exception cref="IOException">The directory cannot be opened or synchronised.</exception>
    public static void FlushDirectory(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        int descriptor;
        while ((descriptor = Open(path, ReadOnly)) < 0)
        {
            ThrowUnlessInterrupted($"Cannot open the directory {path}");
        }
        using var directory = new SafeFileHandle(descriptor, ownsHandle: true);
        Flush(directory);
    }

    /// <summary>syncfs of the file system that holds a directory: for many files at once.</summary>
    /// <exception cref="IOException">The directory cannot be opened, or something may not be on the disk.</exception>
    public static void FlushFileSystem(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        int descriptor;
        while ((descriptor = Open(path, ReadOnly)) < 0)
        {
            ThrowUnlessInterrupted($"Cannot open the directory {path}");
        }
        using var directory = new SafeFileHandle(descriptor, ownsHandle: true);
        while (SyncFileSystem(directory) != 0)
        {
            ThrowUnlessInterrupted("syncfs failed");
        }
    }

    /// <summary>Writes a whole file so that, whatever happens, the path names the old content or the new one.</summary>
    /// <param name="path">Replaced if it exists.</param>
    /// <param name="contents">All of it.</param>
    /// <param name="mode">Permissions, whatever the umask says.</param>
    /// <exception cref="IOException">Nothing has changed at <paramref name="path"/>, or, if the directory's fsync failed, perhaps.</exception>
    public static void WriteAllBytes(string path, ReadOnlySpan<byte> contents, UnixFileMode mode) =>
        Replace(path, mode, contents, static (stream, contents) => stream.Write(contents));

    /// <summary><see cref="WriteAllBytes"/> for content that <paramref name="write"/> produces; if that throws, nothing is left behind.</summary>
    public static void WriteAtomically(string path, UnixFileMode mode, Action<Stream> write)
    {
        ArgumentNullException.ThrowIfNull(write);
        Replace(path, mode, write, static (stream, write) => write(stream));
    }

    /// <summary>Gives a file that stands whole and flushed in the same directory its final name, durably. For writers that stream.</summary>
    /// <exception cref="IOException">The rename or the directory's fsync failed.</exception>
    public static void Publish(string temporary, string path)
    {
        File.Move(temporary, path, overwrite: true);
        FlushDirectory(DirectoryOf(path));
    }

    /// <summary>
    /// Deletes what a process left beside a path that was ended while it wrote it by <see cref="WriteAllBytes"/> or <see cref="WriteAtomically"/>. Only for who
    /// knows that nobody else writes it now.
    /// </summary>
    /// <exception cref="IOException">One cannot be deleted.</exception>
    public static void DeleteLeftovers(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        // No pattern: whose name has a star in it would name files of others, and only what has a name as we give it is ours.
        string before = $".{Path.GetFileName(path)}.";
        foreach (string leftover in Directory.EnumerateFiles(DirectoryOf(path)))
        {
            ReadOnlySpan<char> name = Path.GetFileName(leftover.AsSpan());
            if (name.StartsWith(before, StringComparison.Ordinal) && name.EndsWith(Temporary, StringComparison.Ordinal)
                && name.Length == before.Length + RandomDigits + Temporary.Length && !name[before.Length..^Temporary.Length].ContainsAnyExcept(HexDigits))
            {
                File.Delete(leftover);
            }
        }
    }

    private static void Replace<T>(string path, UnixFileMode mode, T content, Action<FileStream, T> write)
        where T : allows ref struct
    {
        (string temporary, FileStream stream) = CreateBeside(path, mode);
        try
        {
            using (stream)
            {
                write(stream, content);
                // Out of the stream's buffer first: what is still in it no fsync makes durable.
                stream.Flush();
                Flush(stream.SafeFileHandle);
            }
            Publish(temporary, path);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    private static (string Temporary, FileStream Stream) CreateBeside(string path, UnixFileMode mode)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (OperatingSystem.IsWindows())
        {
            throw new PlatformNotSupportedException("Durable files need fsync and Unix permissions.");
        }
        string temporary = Path.Combine(
            DirectoryOf(path), $".{Path.GetFileName(path)}.{RandomNumberGenerator.GetHexString(RandomDigits, lowercase: true)}{Temporary}");
        var stream = new FileStream(temporary, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            Share = FileShare.None,
            // Never wider than asked for, not even for a moment; SetUnixFileMode below gives back what the umask took.
            UnixCreateMode = mode,
        });
        try
        {
            File.SetUnixFileMode(stream.SafeFileHandle, mode);
        }
        catch
        {
            stream.Dispose();
            File.Delete(temporary);
            throw;
        }
        return (temporary, stream);
    }

    private static string DirectoryOf(string path) =>
        Path.GetDirectoryName(Path.GetFullPath(path)) ?? throw new ArgumentException("The path names no file.", nameof(path));

    private static void ThrowUnlessInterrupted(string what)
    {
        int error = Marshal.GetLastPInvokeError();
        if (error != Interrupted)
        {
            throw new IOException($"{what}: {Marshal.GetPInvokeErrorMessage(error)}", new Win32Exception(error));
        }
    }

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Fsync(SafeFileHandle file);

    [LibraryImport("libc", EntryPoint = "syncfs", SetLastError = true)]
    private static partial int SyncFileSystem(SafeFileHandle file);

    [LibraryImport("libc", EntryPoint = "posix_fadvise")]
    private static partial int FileAdvice(SafeFileHandle file, long offset, long length, int advice);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);
}
