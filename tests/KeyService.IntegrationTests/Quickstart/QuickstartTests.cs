using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;

namespace KeyService.IntegrationTests.Quickstart;

/// <summary>The README's first command on a clean copy, and the commands that the README and the quickstart itself say come next.</summary>
public sealed partial class QuickstartTests(QuickstartClone clone) : IClassFixture<QuickstartClone>
{
    [Fact]
    public void It_does_the_main_job_with_a_measured_rate_and_names_three_things_to_try()
    {
        Assert.Contains("The main job", clone.Output, StringComparison.Ordinal);
        Assert.Contains("unwrapped: the same", clone.Output, StringComparison.Ordinal);
        Assert.Matches(@"came back, none in another row", clone.Output);
        Assert.Matches(@"encrypted .*[MG]B/s", clone.Output);
        Assert.Matches(@"decrypted .*[MG]B/s", clone.Output);
        Assert.Matches(@"byte for byte +the same", clone.Output);
        Assert.Equal(3, TryNext().Count(clone.Output));
    }

    [Fact]
    public void It_shows_no_secret_and_lets_nobody_else_into_its_directory()
    {
        var dev = Path.Combine(clone.Root, ".dev");
        foreach (var secret in new[] { "pin", "so-pin" })
        {
            Assert.DoesNotContain(File.ReadAllText(Path.Combine(dev, secret)), clone.Output, StringComparison.Ordinal);
        }
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(dev));
        Assert.False(Directory.Exists(Path.Combine(dev, "demo")), "What the demonstration decrypted is still there.");
    }

    [Fact]
    public async Task Every_command_of_the_README_that_is_marked_to_run_works()
    {
        var blocks = RunnableBlock().Matches(await File.ReadAllTextAsync(Path.Combine(clone.Root, "README.md")));

        Assert.True(blocks.Count >= 3, "The README has lost its runnable commands.");
        foreach (Match block in blocks)
        {
            (await clone.RunAsync(block.Groups[1].Value)).ExpectExit(0);
        }
    }

    [Fact]
    public async Task What_it_says_to_try_next_works_as_it_stands()
    {
        foreach (Match command in TryNext().Matches(clone.Output))
        {
            (await clone.RunAsync(command.Value.Trim())).ExpectExit(0);
        }
    }

    [Fact]
    public async Task A_second_one_in_the_same_directory_is_told_that_one_serves()
    {
        var result = await clone.RunAsync("./quickstart.sh --once --no-install");

        Assert.Contains("already at work", result.ExpectExit(1).Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task In_another_directory_it_takes_a_free_port_and_on_its_second_start_reuses_what_the_first_made()
    {
        var copy = await clone.BuiltCopyAsync();
        using var usual = TakeUsualPort();
        var first = (await clone.RunAsync("./quickstart.sh --once --no-install", copy)).ExpectExit(0);
        var made = await StateAsync(copy);

        await using var second = await QuickstartRun.StartAsync(copy);
        (await clone.RunAsync("./keyservice whoami && ./keyservice key get ehr/patients", copy)).ExpectExit(0);
        Assert.Equal(130, await second.EndAsync());

        Assert.Matches("is taken by another program; using", first.Text);
        Assert.Contains("Stopped, as --once asks", first.Text, StringComparison.Ordinal);
        Assert.Equal(made, await StateAsync(copy));
        Assert.Equal(3, second.Output.Split('\n').Count(line => line.TrimEnd().EndsWith("reused", StringComparison.Ordinal)));
        Assert.Equal(5, (await clone.RunAsync("./keyservice key list", copy)).ExitCode);
    }

    [Fact]
    public async Task Without_SoftHSM_no_install_refuses_and_says_what_to_install()
    {
        // A PATH that has everything but softhsm2-util.
        var result = await clone.RunAsync(
            """
            mkdir path
            sdk=$(dirname "$(readlink -f "$(command -v dotnet)")")
            for directory in /usr/sbin /usr/bin /bin "$sdk"; do ln -sf "$directory"/* path/; done
            rm -f path/softhsm2-util
            PATH=$PWD/path ./quickstart.sh --no-install
            """);

        Assert.Contains("apt-get install --no-install-recommends softhsm2", result.ExpectExit(1).Error, StringComparison.Ordinal);
        Assert.Contains("Nothing was installed", result.Error, StringComparison.Ordinal);
    }

    // Nobody but this test or somebody else has the port that a quickstart takes when it can.
    private static TcpListener TakeUsualPort()
    {
        var listener = new TcpListener(IPAddress.Loopback, 8443);
        try
        {
            listener.Start();
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse)
        {
            // Somebody else has it, which is as good: the other quickstart, most likely.
        }
        return listener;
    }

    private async Task<string> StateAsync(string root) =>
        (await clone.RunAsync(
            "cat .dev/pin .dev/pki/*.crt .dev/server.json keyservice .dev/profiles/*.json .dev/bin/*/*.dll | sha256sum", root))
            .ExpectExit(0).Text;

    // Commands of the closing list: two spaces, ./keyservice.
    [GeneratedRegex(@"^  \./keyservice .*$", RegexOptions.Multiline)]
    private static partial Regex TryNext();

    [GeneratedRegex(@"^```sh run\n(.*?)^```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex RunnableBlock();
}
