using System.Diagnostics;

namespace KeyService.IntegrationTests.Ceremonies;

/// <summary>A terminal of 100 columns and 40 lines in which one command runs, as a person sees and drives it.</summary>
internal sealed class Tmux : IAsyncDisposable
{
    private readonly string tmux;
    private readonly string socket = $"ks-{Guid.NewGuid():N}";

    private Tmux(string tmux) => this.tmux = tmux;

    public static async Task<Tmux> StartAsync(string directory, IReadOnlyDictionary<string, string?> environment, string command)
    {
        var terminal = new Tmux(Infrastructure.RequireTool("tmux", "tmux"));
        // The last line stays, so that it can be read when the command has ended.
        await terminal.CallAsync(environment, "-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "40", "-c", directory, $"{command}; echo \"ended with $?\"; sleep 60");
        return terminal;
    }

    /// <summary>What is on the screen now.</summary>
    public async Task<string> ScreenAsync() => (await CallAsync(null, "capture-pane", "-p")).Text;

    /// <summary>Everything that can be scrolled back to, and the screen.</summary>
    public async Task<string> ScrollBackAsync() => (await CallAsync(null, "capture-pane", "-p", "-S", "-")).Text;

    public Task TypeAsync(string text) => CallAsync(null, "send-keys", "-l", text);

    public Task EnterAsync() => KeyAsync("Enter");

    /// <param name="key">By tmux's name: Enter, C-c.</param>
    public Task KeyAsync(string key) => CallAsync(null, "send-keys", key);

    /// <summary>Waits until the screen is as asked, and gives it.</summary>
    public async Task<string> WaitAsync(Func<string, bool> asked)
    {
        var screen = "";
        var begun = Stopwatch.GetTimestamp();
        while (!asked(screen = await ScreenAsync()))
        {
            Assert.True(Stopwatch.GetElapsedTime(begun) < Command.Limit, $"The screen stayed like this:\n{screen}");
            await Task.Delay(TimeSpan.FromMilliseconds(20));
        }
        return screen;
    }

    public async ValueTask DisposeAsync() => await Command.RunAsync(tmux, ["-L", socket, "kill-server"]);

    private async Task<CommandResult> CallAsync(IReadOnlyDictionary<string, string?>? environment, params string[] arguments) =>
        (await Command.RunAsync(tmux, ["-L", socket, .. arguments], environment)).ExpectExit(0);
}
