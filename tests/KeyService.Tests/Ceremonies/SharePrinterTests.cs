using System.Diagnostics;
using KeyService.Cli.Ceremonies;
using KeyService.Cli.CommandLine;

namespace KeyService.Tests.Ceremonies;

/// <summary>The command that prints: what it is given, and what counts as printed.</summary>
public sealed class SharePrinterTests : IDisposable
{
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(1);

    private readonly string directory = Directory.CreateTempSubdirectory("keyservice-printer-").FullName;

    public void Dispose() => Directory.Delete(directory, recursive: true);

    [Fact]
    public async Task The_page_comes_whole_and_what_the_command_says_of_it_is_not_waited_for()
    {
        var expected = Page().Content.ToArray();
        Assert.Null(await PrintAsync("cat >page; cat page; cat page >&2; cat page page page page page page"));
        var taken = await File.ReadAllBytesAsync(Path.Combine(directory, "page"));
        Assert.Equal(expected, taken[..expected.Length]);
        // Line breaks and nothing else: they show that all before them was read.
        Assert.All(taken[expected.Length..], each => Assert.Equal((byte)'\n', each));
    }

    [Fact]
    public async Task It_is_not_printed_when_the_command_fails_or_does_not_read_all_of_it()
    {
        Assert.Equal("it ended with code 3", await PrintAsync("cat >/dev/null; exit 3"));
        Assert.Equal("it did not read the whole page", await PrintAsync("exit 0"));
        Assert.Equal("it did not read the whole page", await PrintAsync($"head -c {Page().Content.Length / 2} >/dev/null"));
        // The last byte of it.
        Assert.Equal("it did not read the whole page", await PrintAsync($"dd bs=1 count={Page().Content.Length - 1} status=none >/dev/null"));
        Assert.StartsWith("it did not start: ", await SharePrinter.PrintAsync([Path.Combine(directory, "none")], Page(), Long, default), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_command_that_does_not_end_is_killed_with_all_that_it_started()
    {
        var began = Stopwatch.GetTimestamp();
        Assert.Equal("it did not end within 1 seconds", await PrintAsync("sleep 300 & echo $! >child; wait", TimeSpan.FromSeconds(1)));
        Assert.InRange(Stopwatch.GetElapsedTime(began), TimeSpan.FromSeconds(0.9), TimeSpan.FromSeconds(30));
        var child = (await File.ReadAllTextAsync(Path.Combine(directory, "child"))).Trim();
        Assert.True(SpinWait.SpinUntil(() => !File.Exists($"/proc/{child}/stat") || File.ReadAllText($"/proc/{child}/stat").Contains(") Z ", StringComparison.Ordinal), Long));

        using var cancelled = new CancellationTokenSource(TimeSpan.FromSeconds(1));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => SharePrinter.PrintAsync(["/bin/sh", "-c", "sleep 300"], Page(), Long, cancelled.Token));
    }

    [Fact]
    public void A_command_line_is_a_program_that_is_there_and_its_arguments()
    {
        var program = Path.Combine(directory, "print it");
        File.WriteAllText(program, "");
        Assert.Throws<CliError>(() => SharePrinter.Parse($"\"{program}\""));
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        }
        Assert.Equal([program, "-d", "the one in the room", "$HOME", ";"], SharePrinter.Parse($"\"{program}\" -d \"the one in the room\" $HOME ;"));
        Assert.EndsWith("/cat", Assert.Single(SharePrinter.Parse("cat")), StringComparison.Ordinal);
        Assert.All(["", " ", "no-such-command", "./no-such-command", directory], line => Assert.Equal(ExitCode.Usage, Assert.Throws<CliError>(() => SharePrinter.Parse(line)).ExitCode));
    }

    [Fact]
    public void A_plan_of_before_has_no_printer()
    {
        var path = Path.Combine(directory, "plan.json");
        File.WriteAllText(path, """{"kind":"genesis","isRehearsal":true,"people":[]}""");
        Assert.Empty(CeremonyPlan.Load(path).SharePrinter);
        File.WriteAllText(path, """{"kind":"genesis","isRehearsal":true,"people":[],"transferKeys":[],"signingKeys":{},"shareKeys":{},"bundles":[],"documents":[],"copies":[],"destinations":[],"serverArguments":[]}""");
        var plan = CeremonyPlan.Load(path);
        Assert.Empty(plan.SharePrinter);
        Assert.Empty(plan.Files);
        (plan with { SharePrinter = ["/usr/bin/lp", "-d", "local"] }).Save(path);
        Assert.Equal(["/usr/bin/lp", "-d", "local"], CeremonyPlan.Load(path).SharePrinter);
    }

    private Task<string?> PrintAsync(string script, TimeSpan? patience = null) => SharePrinter.PrintAsync(["/bin/sh", "-c", $"cd '{directory}'; {script}"], Page(), patience ?? Long, default);

    private static SharePage Page() => SharePage.Of(
        new SharePageText(true, "genesis", new string('a', 32), "Carol Chen", 1, 3, 2, 12345, new string('b', 16), "B-1"), Enumerable.Range(0, 33).Select(at => (ushort)(at * 31)).ToArray());
}
