using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace KeyService.Cli.Files;

/// <summary>
/// Standard input or output, or a pipe, by read(2) and write(2). FileStream would use pread and pwrite with an offset of its own when
/// the shell has redirected to a file, and of two commands that share it the second would overwrite the first;
/// Console's streams copy every piece once more.
/// </summary>
internal sealed partial class DescriptorStream : Stream
{
    private const int Interrupted = 4;
    private const int BrokenPipe = 32;
    private const int SetPipeSize = 1031;

    /// <summary>Bytes that a pipe may hold: what Linux allows everybody. The default of 64 KiB halves the rate.</summary>
    private const int PipeSize = 1024 * 1024;

    /// <summary>Less than this in one read: the pipe gets a moment to fill before the next.</summary>
    private const int ShortRead = 64 * 1024;

    /// <summary>A pipe of 1 MiB does not fill in it below 200 MB/s, and a producer that fast makes no short reads.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(5);

    /// <summary>A second: then what was gathered is given, however little.</summary>
    private static readonly TimeSpan LongestGathering = TimeSpan.FromSeconds(1);

    private const short PollIn = 1; // POLLIN; the end of a pipe is said without being asked for

    private readonly SafeHandle descriptor;
    private readonly bool reads;
    private readonly bool isPipe;

    private DescriptorStream(SafeHandle descriptor, bool reads)
    {
        this.descriptor = descriptor;
        this.reads = reads;
        isPipe = WidenPipe(descriptor);
    }

    public override bool CanRead => reads;

    public override bool CanWrite => !reads;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public static DescriptorStream StandardInput() => new(new SafeFileHandle(0, ownsHandle: false), reads: true);

    public static DescriptorStream StandardOutput() => new(new SafeFileHandle(1, ownsHandle: false), reads: false);

    /// <summary>The reading end of a pipe; the handle stays its owner's.</summary>
    public static DescriptorStream Of(SafePipeHandle pipe) => new(pipe, reads: true);

    /// <summary>Asks for a larger pipe buffer; false where it is refused, or no pipe.</summary>
    public static bool WidenPipe(SafeHandle descriptor) => OperatingSystem.IsLinux() && Fcntl(descriptor, SetPipeSize, PipeSize) > 0;

    public override int Read(Span<byte> buffer)
    {
        nint length;
        while ((length = SysRead(descriptor, ref MemoryMarshal.GetReference(buffer), buffer.Length)) < 0)
        {
            ThrowUnlessInterrupted("Cannot read standard input");
        }
        return (int)length;
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (buffer.Length > 0)
        {
            var length = SysWrite(descriptor, in MemoryMarshal.GetReference(buffer), buffer.Length);
            if (length >= 0)
            {
                buffer = buffer[(int)length..];
            }
            else
            {
                ThrowUnlessInterrupted("Cannot write standard output");
            }
        }
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    // A pipe cannot be awaited: a thread of the pool waits in it, and the caller goes on. A read that was cancelled goes on as well, and ends with
    // the pipe's other end.
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        new(Task.Run(() => Gather(buffer.Span), cancellationToken).WaitAsync(cancellationToken));

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
        new(Task.Run(() => Write(buffer.Span), cancellationToken));

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    // What a pipe has, up to the whole buffer. Dump programs write pieces of 4 KiB: a thread that is woken for each costs, on both sides of the
    // pipe, several times what sealing costs. A producer that is silent, or dribbles, is not waited for: whoever reads may have to pass on
    // what there is before a limit on silence runs out.
    private int Gather(Span<byte> buffer)
    {
        var have = Read(buffer);
        var begun = Stopwatch.GetTimestamp();
        for (var length = have; isPipe && length > 0 && have < buffer.Length && Stopwatch.GetElapsedTime(begun) < LongestGathering; have += length)
        {
            if (length < ShortRead)
            {
                Thread.Sleep(Pause);
            }
            if (!HasMore())
            {
                break;
            }
            length = Read(buffer[have..]);
        }
        return have;
    }

    // Something to read, or the end.
    private bool HasMore()
    {
        var added = false;
        try
        {
            descriptor.DangerousAddRef(ref added);
            var look = new PollDescriptor { Descriptor = (int)descriptor.DangerousGetHandle(), Events = PollIn };
            return Poll(ref look, 1, 0) > 0;
        }
        finally
        {
            if (added)
            {
                descriptor.DangerousRelease();
            }
        }
    }

    private static void ThrowUnlessInterrupted(string what)
    {
        var error = Marshal.GetLastPInvokeError();
        if (error == BrokenPipe)
        {
            throw new IOException("Whoever reads standard output has closed it.", new Win32Exception(error));
        }
        if (error != Interrupted)
        {
            throw new IOException($"{what}: {Marshal.GetPInvokeErrorMessage(error)}.", new Win32Exception(error));
        }
    }

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    private static partial nint SysRead(SafeHandle descriptor, ref byte buffer, nint count);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static partial nint SysWrite(SafeHandle descriptor, in byte buffer, nint count);

    [LibraryImport("libc", EntryPoint = "poll")]
    private static partial int Poll(ref PollDescriptor descriptors, nuint count, int milliseconds);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    private static partial int Fcntl(SafeHandle descriptor, int command, int argument);

    /// <summary>struct pollfd.</summary>
    private struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Happened;
    }
}
