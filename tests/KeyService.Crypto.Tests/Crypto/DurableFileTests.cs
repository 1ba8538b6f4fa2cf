using System.IO.Pipes;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using KeyService.Crypto.IO;
using Microsoft.Win32.SafeHandles;

namespace KeyService.Tests.Crypto;

[UnsupportedOSPlatform("windows")]
public sealed partial class DurableFileTests : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("keyservice-durable-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData("roster")]
    [InlineData("*")]
    [InlineData("a?c [1]")]
    public void What_a_killed_process_left_is_deleted_and_nothing_of_anybody_else(string name)
    {
        string[] theirs = [name, ".roster.notes.tmp", $".{name}.0123456789ab", $".{name}.0123456789abc.tmp", $".{name}.0123456789aG.tmp", ".other.0123456789ab.tmp", $"{name}.0123456789ab.tmp"];
        foreach (string file in theirs.Append($".{name}.0123456789ab.tmp").Append($".{name}.ffffffffffff.tmp"))
        {
            File.WriteAllText(In(file), "");
        }
        DurableFile.DeleteLeftovers(In(name));
        Assert.Equal(theirs.Distinct().Order(StringComparer.Ordinal), Directory.GetFiles(_folder.FullName).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Throws<ArgumentException>(() => DurableFile.DeleteLeftovers(""));
    }

    [Fact]
    public void A_file_appears_whole_with_its_permissions_and_nothing_beside_it()
    {
        string path = In("key.bin");
        DurableFile.WriteAllBytes(path, [1, 2, 3], OwnerOnly);
        Assert.Equal([1, 2, 3], File.ReadAllBytes(path));
        Assert.Equal(OwnerOnly, File.GetUnixFileMode(path));
        DurableFile.WriteAllBytes(path, [4], OwnerOnly | UnixFileMode.GroupRead | UnixFileMode.OtherWrite);
        Assert.Equal([4], File.ReadAllBytes(path));
        Assert.Equal(OwnerOnly | UnixFileMode.GroupRead | UnixFileMode.OtherWrite, File.GetUnixFileMode(path));
        Assert.Equal([path], Directory.GetFileSystemEntries(_folder.FullName));
    }

    [Fact]
    public void A_writer_that_throws_leaves_the_old_file_and_no_other()
    {
        string path = In("key.bin");
        File.WriteAllText(path, "old");
        Assert.Throws<InvalidDataException>(() => DurableFile.WriteAtomically(path, OwnerOnly, stream =>
        {
            stream.WriteByte(1);
            throw new InvalidDataException();
        }));
        Assert.Equal("old", File.ReadAllText(path));
        Assert.Equal([path], Directory.GetFileSystemEntries(_folder.FullName));
    }

    [Fact]
    public void A_writer_that_finishes_replaces_the_old_file()
    {
        string path = In("key.bin");
        File.WriteAllText(path, "old");
        DurableFile.WriteAtomically(path, OwnerOnly, stream => stream.Write("new"u8));
        Assert.Equal("new", File.ReadAllText(path));
    }

    [Fact]
    public void A_target_that_cannot_be_replaced_leaves_nothing_behind()
    {
        string path = In("folder");
        Directory.CreateDirectory(Path.Combine(path, "inside"));
        Assert.ThrowsAny<Exception>(() => DurableFile.WriteAllBytes(path, [1], OwnerOnly));
        Assert.Equal([path], Directory.GetFileSystemEntries(_folder.FullName));
    }

    // The kernel refuses fsync on a pipe (EINVAL): FileStream.Flush(true) would say nothing.
    [Fact]
    public void An_fsync_that_fails_throws()
    {
        using var pipe = new AnonymousPipeServerStream();
        using var handle = new SafeFileHandle(pipe.SafePipeHandle.DangerousGetHandle(), ownsHandle: false);
        Assert.Contains("fsync", Assert.Throws<IOException>(() => DurableFile.Flush(handle)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_directory_is_flushed_and_a_missing_one_throws()
    {
        DurableFile.FlushDirectory(_folder.FullName);
        Assert.Throws<IOException>(() => DurableFile.FlushDirectory(In("missing")));
    }

    // procfs knows no fsync (EINVAL): a flush that were left out would say nothing.
    [Fact]
    public void A_directory_whose_fsync_fails_is_told()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "procfs is Linux's.");
        Assert.StartsWith("fsync failed", Assert.Throws<IOException>(() => DurableFile.FlushDirectory("/proc")).Message, StringComparison.Ordinal);
        Assert.StartsWith($"Cannot open the directory {In("missing")}", Assert.Throws<IOException>(() => DurableFile.FlushDirectory(In("missing"))).Message, StringComparison.Ordinal);
    }

    // Under the stream's descriptor stands something else when the file is to be made durable: /dev/null takes the bytes and knows no fsync, /dev/full
    // takes no bytes.
    [Theory]
    [InlineData("/dev/null", "fsync failed")]
    [InlineData("/dev/full", "No space left")]
    public void A_file_that_is_not_durable_does_not_get_its_name(string instead, string said)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Exchanges a descriptor under a stream.");
        string path = In("key.bin");
        File.WriteAllText(path, "old");
        using SafeFileHandle other = File.OpenHandle(instead, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        IOException e = Assert.ThrowsAny<IOException>(() => DurableFile.WriteAtomically(path, OwnerOnly, stream =>
        {
            Assert.True(Dup2(other.DangerousGetHandle(), ((FileStream)stream).SafeFileHandle.DangerousGetHandle()) >= 0);
            stream.WriteByte(1);
        }));
        Assert.StartsWith(said, e.Message, StringComparison.Ordinal);
        Assert.Equal("old", File.ReadAllText(path));
        Assert.Equal([path], Directory.GetFileSystemEntries(_folder.FullName));
    }

    // A directory that may be written and not read: the rename succeeds, and cannot be made durable.
    [Fact]
    public void A_name_that_is_not_durable_is_told()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Takes another user's eyes for a moment, by setfsuid.");
        const uint nobody = 65534;
        string folder = In("folder"), temporary = Path.Combine(folder, "new"), path = Path.Combine(folder, "key.bin");
        Directory.CreateDirectory(folder);
        File.WriteAllText(temporary, "new");
        File.SetUnixFileMode(_folder.FullName, OwnerOnly | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
        bool isRoot = ChangeOwner(folder, nobody, nobody) == 0;
        File.SetUnixFileMode(folder, UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        uint self = isRoot ? SetFileSystemUser(nobody) : 0;
        try
        {
            Assert.StartsWith($"Cannot open the directory {folder}",
                Assert.Throws<IOException>(() => DurableFile.Publish(temporary, path)).Message, StringComparison.Ordinal);
        }
        finally
        {
            if (isRoot)
            {
                _ = SetFileSystemUser(self);
            }
            File.SetUnixFileMode(folder, OwnerOnly | UnixFileMode.UserExecute);
        }
        Assert.Equal("new", File.ReadAllText(path));
    }

    [Fact]
    public void Nothing_in_the_place_of_something_is_refused_by_its_name()
    {
        Assert.Equal("file", Assert.Throws<ArgumentNullException>(() => DurableFile.Flush(null!)).ParamName);
        Assert.Equal("path", Assert.Throws<ArgumentException>(() => DurableFile.FlushDirectory("")).ParamName);
        Assert.Equal("write", Assert.Throws<ArgumentNullException>(() => DurableFile.WriteAtomically(In("x"), OwnerOnly, null!)).ParamName);
        Assert.Equal("path", Assert.Throws<ArgumentException>(() => DurableFile.WriteAllBytes("", [1], OwnerOnly)).ParamName);
    }

    [Fact]
    public void Flushing_a_directory_keeps_no_descriptor()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Counts in /proc/self/fd.");
        // Entries, not files: a link to a directory is no file.
        int Open() => Directory.GetFileSystemEntries("/proc/self/fd").Length;
        int before = Open();
        for (int i = 0; i < 400; i++)
        {
            DurableFile.FlushDirectory(_folder.FullName);
        }
        Assert.InRange(Open(), 0, before + 200);
    }

    [LibraryImport("libc", EntryPoint = "chown", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int ChangeOwner(string path, uint user, uint group);

    [LibraryImport("libc", EntryPoint = "setfsuid")]
    private static partial uint SetFileSystemUser(uint user);

    [LibraryImport("libc", EntryPoint = "dup2")]
    private static partial int Dup2(nint from, nint to);

    private string In(string name) => Path.Combine(_folder.FullName, name);
}
