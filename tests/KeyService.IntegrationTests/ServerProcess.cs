using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace KeyService.IntegrationTests;

/// <summary>A running server process, from the line that says it serves to its exit code.</summary>
internal sealed partial class ServerProcess
{
    private const string Ready = "keyservice: serving on ";
    private const int SigTerm = 15;
    private const int SigStop = 19;
    private readonly Process process;
    private readonly StringBuilder log = new();
    private readonly TaskCompletionSource ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ServerProcess(Process process)
    {
        this.process = process;
        process.OutputDataReceived += Collect;
        process.ErrorDataReceived += Collect;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        AppDomain.CurrentDomain.ProcessExit += (_, _) => KillIfAlive();
    }

    /// <summary>What it wrote to stdout and stderr so far.</summary>
    public string Log
    {
        get
        {
            lock (log)
            {
                return log.ToString();
            }
        }
    }

    public int Id => process.Id;

    /// <summary>Starts <c>serve</c> and returns when it serves; fails the test with the server's words when it ends before that.</summary>
    /// <param name="through">A program and its arguments that exec the server; none: it is started itself.</param>
    /// <param name="executable">The server, when it is another than the one that was built with the tests.</param>
    public static async Task<ServerProcess> StartAsync(
        string configPath, IReadOnlyDictionary<string, string?> environment, IReadOnlyList<string>? through = null, string? executable = null)
    {
        string[] line = [.. through ?? [], executable ?? Executables.Server, "serve", "--config", configPath];
        var start = Command.StartInfo(line[0], line[1..], environment, Path.GetDirectoryName(configPath));
        var server = new ServerProcess(Process.Start(start) ?? throw new InvalidOperationException("The server did not start."));
        using var limit = new CancellationTokenSource(Command.Limit);
        var ended = server.process.WaitForExitAsync(limit.Token);
        if (await Task.WhenAny(server.ready.Task, ended) != server.ready.Task)
        {
            server.KillIfAlive();
            Assert.Fail($"The server {(ended.IsCanceled ? "does not get ready" : "ended before it served")}:\n{server.Log}");
        }
        return server;
    }

    public async Task<int> StopAsync()
    {
        if (!process.HasExited && Kill(process.Id, SigTerm) != 0)
        {
            throw new InvalidOperationException($"kill failed: {Marshal.GetLastPInvokeErrorMessage()}");
        }
        using var limit = new CancellationTokenSource(Command.Limit);
        await process.WaitForExitAsync(limit.Token);
        return process.ExitCode;
    }

    public async Task KillAsync()
    {
        KillIfAlive();
        await process.WaitForExitAsync().WaitAsync(Command.Limit);
    }

    /// <summary>It does nothing more, and keeps what it holds: as a machine that hangs. <see cref="KillAsync"/> ends it.</summary>
    public void Freeze()
    {
        if (Kill(process.Id, SigStop) != 0)
        {
            throw new InvalidOperationException($"kill failed: {Marshal.GetLastPInvokeErrorMessage()}");
        }
    }

    private void Collect(object sender, DataReceivedEventArgs line)
    {
        lock (log)
        {
            log.AppendLine(line.Data);
        }
        if (line.Data?.StartsWith(Ready, StringComparison.Ordinal) == true)
        {
            ready.TrySetResult();
        }
    }

    private void KillIfAlive()
    {
        if (!process.HasExited)
        {
            process.Kill();
        }
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int process, int signal);
}
