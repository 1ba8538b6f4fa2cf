using System.IO.Pipes;
using System.Runtime.Versioning;
using KeyService.Crypto.IO;
using Microsoft.Win32.SafeHandles;

namespace KeyService.Tests.Crypto;

[UnsupportedOSPlatform("windows")]
public sealed class DurableFileTests : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("keyservice-durable-");

    public void Dispose() => _folder.Delete(recursive: true);

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

    private string In(string name) => Path.Combine(_folder.FullName, name);
}
