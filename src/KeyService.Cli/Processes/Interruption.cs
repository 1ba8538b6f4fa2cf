using System.Runtime.InteropServices;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Files;

namespace KeyService.Cli.Processes;

/// <summary>
/// SIGINT, SIGTERM and SIGHUP ask the command to end; a second one ends it at once. Either way no temporary file stays.
/// SIGXFSZ (a file-size limit) is ignored, so that the write fails and is reported instead.
/// </summary>
internal sealed partial class Interruption : IDisposable
{
    private const int SigXfsz = 25;
    private static readonly nint Ignore = 1;

    private readonly CancellationTokenSource source = new();
    private readonly TaskCompletionSource requested = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly PosixSignalRegistration[] registrations;
    private int count;

    public Interruption()
    {
        if (OperatingSystem.IsLinux())
        {
            _ = Signal(SigXfsz, Ignore);
        }
        registrations =
        [
            PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal),
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal),
            PosixSignalRegistration.Create(PosixSignal.SIGHUP, OnSignal),
        ];
    }

    public CancellationToken Token => source.Token;

    /// <summary>Completes with the first signal.</summary>
    public Task Requested => requested.Task;

    public void Dispose()
    {
        foreach (var registration in registrations)
        {
            registration.Dispose();
        }
        source.Dispose();
    }

    private void OnSignal(PosixSignalContext context)
    {
        context.Cancel = true;
        if (Interlocked.Increment(ref count) == 1)
        {
            requested.TrySetResult();
            source.Cancel();
            return;
        }
        TemporaryFiles.RemoveAll();
        Exit(ExitCode.Interrupted);
    }

    [LibraryImport("libc", EntryPoint = "signal")]
    private static partial nint Signal(int signal, nint handler);

    [LibraryImport("libc", EntryPoint = "_exit")]
    private static partial void Exit(int code);
}
