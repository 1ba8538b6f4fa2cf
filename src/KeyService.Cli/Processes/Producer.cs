using System.ComponentModel;
using System.Diagnostics;
using System.IO.Pipes;
using System.Runtime.InteropServices;
using KeyService.Cli.Files;
using KeyService.Cli.Output;

namespace KeyService.Cli.Processes;

/// <summary>
/// The command whose output is archived. Its stdin and stderr are ours. <see cref="Output"/> ends only when it has exited
/// with 0 and throws otherwise, so that nobody who reads it to the end can take a dead producer for a finished one.
/// </summary>
internal sealed partial class Producer : IDisposable
{
    private const int Terminate = 15;
    private static readonly TimeSpan GraceAfterTerminate = TimeSpan.FromSeconds(2);

    private readonly Process process;
    private readonly string name;

    private Producer(Process process, string name)
    {
        this.process = process;
        this.name = name;
        var pipe = process.StandardOutput.BaseStream;
        Output = new OutputStream(this, pipe, pipe is PipeStream { SafePipeHandle: var handle } ? DescriptorStream.Of(handle) : pipe);
    }

    public Stream Output { get; }

    public static Producer Start(IReadOnlyList<string> command)
    {
        var start = new ProcessStartInfo(command[0]) { RedirectStandardOutput = true, UseShellExecute = false };
        foreach (var argument in command.Skip(1))
        {
            start.ArgumentList.Add(argument);
        }
        var name = Terminal.Printable(command[0]);
        try
        {
            return new Producer(Process.Start(start)!, name);
        }
        catch (Win32Exception e)
        {
            throw new ProducerFailedException($"{name} cannot be started: {Marshal.GetPInvokeErrorMessage(e.NativeErrorCode)}.", e);
        }
    }

    /// <summary>Ends the command when it still runs: first asked, then killed.</summary>
    public void Dispose()
    {
        try
        {
            if (!process.HasExited)
            {
                _ = Kill(process.Id, Terminate);
                Output.Dispose();
                if (!process.WaitForExit(GraceAfterTerminate))
                {
                    process.Kill();
                }
            }
        }
        catch (InvalidOperationException)
        {
            // It ended in between.
        }
        Output.Dispose();
        process.Dispose();
    }

    private async ValueTask RequireSuccessAsync(CancellationToken cancellation)
    {
        await process.WaitForExitAsync(cancellation).ConfigureAwait(false);
        var code = process.ExitCode;
        // A shell's convention, which .NET follows: 128 and the signal.
        if (code > 128 && code < 128 + 65)
        {
            throw new ProducerFailedException($"{name} was ended by signal {code - 128}.");
        }
        if (code != 0)
        {
            throw new ProducerFailedException($"{name} exited with code {code}.");
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);

    /// <summary>The command's stdout, whose end is the command's success.</summary>
    private sealed class OutputStream(Producer producer, Stream pipe, Stream reader) : Stream
    {
        private bool succeeded;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var length = succeeded ? 0 : await reader.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
            if (length == 0 && buffer.Length > 0 && !succeeded)
            {
                await producer.RequireSuccessAsync(cancellationToken).ConfigureAwait(false);
                succeeded = true;
            }
            return length;
        }

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        // Waiting for the exit is asynchronous work: a synchronous reader gets it by waiting here.
        public override int Read(byte[] buffer, int offset, int count) =>
            ReadAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                pipe.Dispose();
            }
            base.Dispose(disposing);
        }
    }
}
