using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;

namespace KeyService.IntegrationTests;

/// <summary>A running server process, from "it accepts connections" to its exit code.</summary>
internal sealed partial class ServerProcess
{
    private const int SigTerm = 15;
    private readonly Process process;
    private readonly StringBuilder log = new();

    private ServerProcess(Process process)
    {
        this.process = process;
        process.OutputDataReceived += Collect;
        process.ErrorDataReceived += Collect;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        AppDomain.CurrentDomain.ProcessExit += (_, _) => KillIfAlive();
    }

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

    /// <summary>Starts <c>serve</c> and returns when the port accepts; fails the test with the server's words when it ends before that.</summary>
    public static async Task<ServerProcess> StartAsync(string configPath, IReadOnlyDictionary<string, string?> environment, int port)
    {
        var start = Command.StartInfo(Executables.Server, ["serve", "--config", configPath], environment, Path.GetDirectoryName(configPath));
        var server = new ServerProcess(Process.Start(start) ?? throw new InvalidOperationException("The server did not start."));
        var begun = Stopwatch.GetTimestamp();
        while (!await AcceptsAsync(port))
        {
            Assert.False(server.process.HasExited, $"The server ended before it listened:\n{server.Log}");
            Assert.True(Stopwatch.GetElapsedTime(begun) < Command.Limit, $"The server does not listen:\n{server.Log}");
            await Task.Delay(25);
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
        await process.WaitForExitAsync();
    }

    private static async Task<bool> AcceptsAsync(int port)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(IPAddress.Loopback, port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private void Collect(object sender, DataReceivedEventArgs line)
    {
        lock (log)
        {
            log.AppendLine(line.Data);
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
