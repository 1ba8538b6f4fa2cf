using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace KeyService.IntegrationTests.Quickstart;

/// <summary>A quickstart.sh that serves in a directory, until Ctrl-C.</summary>
internal sealed partial class QuickstartRun : IAsyncDisposable
{
    private const int SigInt = 2;
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(10);
    private readonly Process process;
    private readonly StringBuilder output = new();
    private readonly TaskCompletionSource serving = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private QuickstartRun(Process process)
    {
        this.process = process;
        process.OutputDataReceived += Collect;
        process.ErrorDataReceived += Collect;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Interrupt();
    }

    public string Output
    {
        get
        {
            lock (output)
            {
                return output.ToString();
            }
        }
    }

    public static async Task<QuickstartRun> StartAsync(string root)
    {
        var start = Command.StartInfo(Path.Combine(root, "quickstart.sh"), ["--no-install"], environment: null, root);
        var run = new QuickstartRun(Process.Start(start) ?? throw new InvalidOperationException("quickstart.sh did not start."));
        using var limit = new CancellationTokenSource(Limit);
        await Task.WhenAny(run.serving.Task, run.process.WaitForExitAsync(limit.Token));
        Assert.True(run.serving.Task.IsCompleted, $"quickstart.sh does not serve:\n{run.Output}");
        return run;
    }

    /// <summary>Ctrl-C, and the exit code it leaves.</summary>
    public async Task<int> EndAsync()
    {
        Interrupt();
        using var limit = new CancellationTokenSource(Limit);
        await process.WaitForExitAsync(limit.Token);
        return process.ExitCode;
    }

    public async ValueTask DisposeAsync() => await EndAsync();

    private void Interrupt()
    {
        if (!process.HasExited)
        {
            _ = Kill(process.Id, SigInt);
        }
    }

    private void Collect(object sender, DataReceivedEventArgs line)
    {
        lock (output)
        {
            output.AppendLine(line.Data);
        }
        if (line.Data?.StartsWith("Serving https://", StringComparison.Ordinal) == true)
        {
            serving.TrySetResult();
        }
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int process, int signal);
}
