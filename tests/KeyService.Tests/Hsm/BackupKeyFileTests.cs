using KeyService.Crypto;
using KeyService.Hsm;

namespace KeyService.Tests.Hsm;

public sealed class BackupKeyFileTests : IDisposable
{
    private readonly string path = Path.Combine(Directory.CreateTempSubdirectory("keyservice-backup-key-").FullName, "backup.key");

    public void Dispose() => Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);

    [Fact]
    public void What_is_written_is_read_and_nobody_else_may_read_it()
    {
        using var value = SecretBuffer.Random(32);
        BackupKeyFile.Write(path, value);
        using var read = BackupKeyFile.Read(path);
        Assert.True(read.DangerousSpan.SequenceEqual(value.DangerousSpan));
        Assert.True(OperatingSystem.IsWindows() || File.GetUnixFileMode(path) == (UnixFileMode.UserRead | UnixFileMode.UserWrite));
        var lines = File.ReadAllLines(path);
        Assert.Equal(2, lines.Length);
        Assert.StartsWith("# DEVELOPMENT ONLY", lines[0], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("00")]
    [InlineData("# another comment\n0000000000000000000000000000000000000000000000000000000000000000\n")]
    [InlineData("MARKER")]
    [InlineData("MARKER\n")]
    [InlineData("MARKER\n00\n")]
    [InlineData("MARKER\n000000000000000000000000000000000000000000000000000000000000000g\n")]
    [InlineData("MARKER\n00000000000000000000000000000000000000000000000000000000000000000\n")]
    [InlineData("MARKER\n0000000000000000000000000000000000000000000000000000000000000000\nmore\n")]
    public void Anything_else_is_no_backup_key_file(string content)
    {
        File.WriteAllText(path, content.Replace("MARKER", System.Text.Encoding.ASCII.GetString(BackupKeyFile.Marker), StringComparison.Ordinal));
        Assert.Throws<InvalidDataException>(() => BackupKeyFile.Read(path));
    }
}
