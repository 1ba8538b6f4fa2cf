#pragma warning disable CA1416 // file modes of Unix
using KeyService.Cli.CommandLine;
using KeyService.Cli.Files;

namespace KeyService.Tests.Cli;

public sealed class OutputFileTests : IDisposable
{
    private readonly string directory = Directory.CreateTempSubdirectory("output-test-").FullName;

    private string Target => Path.Combine(directory, "out");

    public void Dispose() => Directory.Delete(directory, recursive: true);

    [Fact]
    public void Nothing_is_seen_under_the_name_before_the_file_is_whole()
    {
        using var file = OutputFile.Create(Target, force: false);
        file.Stream.Write("secret"u8);
        Assert.False(File.Exists(Target));
        file.Commit();
        Assert.Equal("secret", File.ReadAllText(Target));
    }

    [Fact]
    public void A_file_that_is_never_said_to_be_whole_leaves_nothing()
    {
        using (var file = OutputFile.Create(Target, force: false))
        {
            file.Stream.Write("part"u8);
            Assert.Single(Directory.GetFiles(directory));
        }
        Assert.Empty(Directory.GetFiles(directory));
    }

    [Fact]
    public void The_temporary_file_is_for_its_owner_only_from_its_first_moment()
    {
        using var file = OutputFile.Create(Target, force: false);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Directory.GetFiles(directory)[0]));
    }

    [Fact]
    public void What_exists_is_refused_before_anything_is_written()
    {
        File.WriteAllText(Target, "precious");
        var e = Assert.Throws<CliError>(() => OutputFile.Create(Target, force: false));
        Assert.Equal(ExitCode.Conflict, e.ExitCode);
        Assert.Single(Directory.GetFiles(directory));
    }

    [Fact]
    public void What_appears_while_we_work_is_not_replaced_either()
    {
        using (var file = OutputFile.Create(Target, force: false))
        {
            File.WriteAllText(Target, "precious");
            Assert.Equal(ExitCode.Conflict, Assert.Throws<CliError>(file.Commit).ExitCode);
        }
        Assert.Equal("precious", File.ReadAllText(Target));
        Assert.Single(Directory.GetFiles(directory));
    }

    [Fact]
    public void Force_replaces_the_file_at_once()
    {
        File.WriteAllText(Target, "old");
        using var file = OutputFile.Create(Target, force: true);
        file.Stream.Write("new"u8);
        Assert.Equal("old", File.ReadAllText(Target));
        file.Commit();
        Assert.Equal("new", File.ReadAllText(Target));
    }

    [Fact]
    public void A_device_is_written_to_and_not_replaced()
    {
        Assert.True(FileKind.IsSpecial("/dev/null"));
        Assert.False(FileKind.IsSpecial(directory));
        using var file = OutputFile.Create("/dev/null", force: false);
        Assert.False(file.AppearsWhole);
        file.Stream.Write("x"u8);
        file.Commit();
        Assert.True(FileKind.IsSpecial("/dev/null"));
    }

    [Fact]
    public void A_dangling_link_is_something_that_exists()
    {
        File.CreateSymbolicLink(Target, Path.Combine(directory, "nowhere"));
        Assert.Throws<CliError>(() => OutputFile.Create(Target, force: false).Commit());
    }

    [Fact]
    public void Renaming_without_replacing_keeps_both_files_when_the_name_is_taken()
    {
        var (from, to) = (Path.Combine(directory, "a"), Path.Combine(directory, "b"));
        File.WriteAllText(from, "1");
        File.WriteAllText(to, "2");
        Assert.False(Renaming.TryRename(from, to, replace: false));
        Assert.Equal(("1", "2"), (File.ReadAllText(from), File.ReadAllText(to)));
        Assert.True(Renaming.TryRename(from, to, replace: true));
        Assert.Equal("1", File.ReadAllText(to));
        Assert.Throws<IOException>(() => Renaming.TryRename(from, to + "2", replace: false));
    }
}
