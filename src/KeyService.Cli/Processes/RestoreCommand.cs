using System.Diagnostics;
using System.IO.Pipes;
using System.Runtime.InteropServices;
using KeyService.Cli.Files;

namespace KeyService.Cli.Processes;

/// <summary>
/// The command of a restore test: a shell command whose stdin is an archive's content. It passes only when <see cref="FinishAsync"/> says so:
/// everything was written, everything was read, exit code 0. Disposed of without, it is killed with its children <b>before</b> its stdin is
/// closed, so that an archive that broke off never looks to it like one that ended.
/// </summary>
internal sealed partial class RestoreCommand : IDisposable
{
    private const nuint FionRead = 0x541B;
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(5);

    private readonly ProcessStartInfo start;
    private readonly CancellationTokenRegistration interruption;
    private Process? process;
    private PipeStream? pipe;
    private long written;

    private RestoreCommand(ProcessStartInfo start, CancellationToken cancellation)
    {
        this.start = start;
        Input = new InputStream(this);
        interruption = cancellation.Register(Kill);
    }

    /// <summary>The command's stdin. The command is started by the first write, when the archive has shown that it opens.</summary>
    public Stream Input { get; }

    /// <param name="command">For <c>/bin/sh -c</c>; the caller's own choice, as everything on a command line.</param>
    /// <param name="archive">Path of the archive or "-", for $KEYSERVICE_ARCHIVE.</param>
    /// <param name="cancellation">Kills the command, which may sit on a full pipe for ever.</param>
    public static RestoreCommand Prepare(string command, string archive, CancellationToken cancellation)
    {
        var start = new ProcessStartInfo("/bin/sh") { RedirectStandardInput = true, UseShellExecute = false };
        start.ArgumentList.Add("-c");
        // Our stdout is for results: what the command writes there goes to stderr.
        start.ArgumentList.Add("exec 1>&2\n" + command);
        start.Environment["KEYSERVICE_ARCHIVE"] = archive == "-" ? "" : archive;
        return new RestoreCommand(start, cancellation);
    }

    /// <summary>Waits until the command has read everything and exited.</summary>
    /// <returns>Bytes it read: all of them.</returns>
    /// <exception cref="RestoreTestFailedException">It did not read everything, or did not exit with 0.</exception>
    public async Task<long> FinishAsync(CancellationToken cancellation)
    {
        Start();
        // The pipe's end is held until it is empty: what nobody took stays in it and can be counted.
        var left = Unread();
        while (left > 0 && !process!.HasExited)
        {
            await Task.Delay(Interval, cancellation).ConfigureAwait(false);
            left = Unread();
        }
        left = Unread();
        pipe!.Dispose();
        await process!.WaitForExitAsync(cancellation).ConfigureAwait(false);
        RequireSuccess(written - left);
        return left == 0 ? written : throw StoppedEarly(written - left, $"{written}");
    }

    public void Dispose()
    {
        interruption.Dispose();
        Kill();
        pipe?.Dispose();
        process?.Dispose();
    }

    private void Kill()
    {
        try
        {
            if (process is { HasExited: false })
            {
                process.Kill(entireProcessTree: true);
            }
        }
        catch (Exception e) when (e is InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            // It ended in between.
        }
    }

    private void Start()
    {
        if (process is null)
        {
            process = Process.Start(start)!;
            pipe = (PipeStream)process.StandardInput.BaseStream;
            _ = DescriptorStream.WidenPipe(pipe.SafePipeHandle);
        }
    }

    private void Write(ReadOnlySpan<byte> buffer)
    {
        Start();
        try
        {
            pipe!.Write(buffer);
            written += buffer.Length;
        }
        catch (IOException e)
        {
            process!.WaitForExit();
            RequireSuccess(null);
            throw StoppedEarly(null, "all of the content", e);
        }
    }

    private void RequireSuccess(long? read)
    {
        var code = process!.ExitCode;
        var after = read is { } bytes ? $" after it had read {bytes} bytes" : "";
        // A shell's convention, which .NET follows: 128 and the signal.
        if (code > 128 && code < 128 + 65)
        {
            throw new RestoreTestFailedException($"The restore test was ended by signal {code - 128}{after}.");
        }
        if (code != 0)
        {
            throw new RestoreTestFailedException($"The restore test exited with code {code}{after}.");
        }
    }

    private static RestoreTestFailedException StoppedEarly(long? read, string of, Exception? cause = null) => new(
        $"The restore test exited with code 0 but stopped reading before the end{(read is { } bytes ? $": {bytes} of {of} bytes" : "")}.", cause);

    private long Unread()
    {
        var unread = 0;
        return Ioctl((int)pipe!.SafePipeHandle.DangerousGetHandle(), FionRead, ref unread) == 0
            ? unread
            : throw new IOException($"The restore test's pipe cannot be looked at: {Marshal.GetLastPInvokeErrorMessage()}.");
    }

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Ioctl(int descriptor, nuint request, ref int value);

    private sealed class InputStream(RestoreCommand command) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override void Write(ReadOnlySpan<byte> buffer) => command.Write(buffer);

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        // A pipe cannot be awaited: a thread of the pool waits in it, and the caller goes on.
        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            new(Task.Run(() => Write(buffer.Span), cancellationToken));

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
