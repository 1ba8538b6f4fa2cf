using System.ComponentModel;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace KeyService.Server.Storage.Sqlite;

/// <summary>
/// Keeps a second process off a store file: an exclusive flock(2) on FILE.lock, released by the kernel when the process ends however it
/// ends. The file holds the owner's process id for the message only. SQLite's own locks do not do this: they let two processes write in
/// turn.
/// </summary>
internal sealed partial class StoreLock : IDisposable
{
    private const int LockExclusive = 2;
    private const int LockNonBlocking = 4;
    private const int WouldBlock = 11; // EAGAIN of Linux
    private const int OpenReadWrite = 2;
    private const int OpenCreate = 0x40; // Linux, as the next
    private const int OpenCloseOnExec = 0x80000;
    private const uint OwnerReadWrite = 0x180; // 0600

    private readonly SafeFileHandle _handle;

    private StoreLock(SafeFileHandle handle) => _handle = handle;

    /// <exception cref="StoreOpenException">Another process holds the file, or the lock file cannot be made.</exception>
    public static StoreLock Take(string storePath)
    {
        var path = storePath + ".lock";
        SafeFileHandle handle;
        try
        {
            handle = OpenPrivate(path);
        }
        catch (IOException e)
        {
            throw new StoreOpenException($"The lock file {path} cannot be opened: {e.Message}", e);
        }

        if (FileLock(handle, LockExclusive | LockNonBlocking) != 0)
        {
            var error = Marshal.GetLastPInvokeError();
            var owner = ReadOwner(handle);
            handle.Dispose();
            throw error == WouldBlock
                ? new StoreOpenException($"The store {storePath} is in use by another process{owner}. Stop that one first; two servers need PostgreSQL.") { InUse = true }
                : new StoreOpenException($"The store {storePath} cannot be locked: {new Win32Exception(error).Message}");
        }

        RandomAccess.SetLength(handle, 0);
        RandomAccess.Write(handle, Encoding.ASCII.GetBytes(Environment.ProcessId.ToString(CultureInfo.InvariantCulture) + "\n"), 0);
        return new StoreLock(handle);
    }

    /// <summary>Whether a process holds the file now. For inspection only: the next moment may differ.</summary>
    public static bool IsHeld(string storePath)
    {
        var path = storePath + ".lock";
        if (!File.Exists(path))
        {
            return false;
        }

        using var handle = OpenPrivate(path);
        return FileLock(handle, LockExclusive | LockNonBlocking) != 0;
    }

    public void Dispose() => _handle.Dispose();

    // Not by FileStream: whatever sharing it is given, it takes a flock of its own and fails on ours with a less telling error.
    private static SafeFileHandle OpenPrivate(string path)
    {
        var handle = Open(path, OpenReadWrite | OpenCreate | OpenCloseOnExec, OwnerReadWrite);
        return handle.IsInvalid ? throw new IOException(new Win32Exception(Marshal.GetLastPInvokeError()).Message) : handle;
    }

    private static string ReadOwner(SafeFileHandle handle)
    {
        Span<byte> text = stackalloc byte[16];
        var length = RandomAccess.Read(handle, text, 0);
        return int.TryParse(Encoding.ASCII.GetString(text[..length]).Trim(), CultureInfo.InvariantCulture, out var id) ? $" (process {id})" : "";
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial SafeFileHandle Open(string path, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    private static partial int FileLock(SafeFileHandle file, int operation);
}
