using System.IO.Pipes;
using KeyService.Cli.Files;

namespace KeyService.Tests.Cli;

/// <summary>Reading a pipe: pieces are gathered where they come, and nobody waits for those that do not.</summary>
public sealed class DescriptorStreamTests : IDisposable
{
    private readonly AnonymousPipeServerStream _reads = new(PipeDirection.In);
    private readonly AnonymousPipeClientStream _writes;
    private readonly DescriptorStream _stream;
    private readonly byte[] _buffer = new byte[1 << 20];

    public DescriptorStreamTests()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "read(2) and poll(2) of Linux.");
        _writes = new AnonymousPipeClientStream(PipeDirection.Out, _reads.ClientSafePipeHandle);
        _stream = DescriptorStream.Of(_reads.SafePipeHandle);
    }

    public void Dispose()
    {
        _writes.Dispose();
        _reads.Dispose();
    }

    [Fact]
    public async Task Many_small_pieces_are_one_read()
    {
        for (byte piece = 0; piece < 50; piece++)
        {
            _writes.Write(Enumerable.Repeat(piece, 4096).ToArray());
        }

        Assert.Equal(50 * 4096, await _stream.ReadAsync(_buffer));
        Assert.All(Enumerable.Range(0, 50), piece => Assert.Equal(piece, _buffer[piece * 4096]));
    }

    [Fact]
    public async Task What_a_silent_producer_wrote_is_given_while_it_is_silent()
    {
        _writes.Write("first"u8);
        Assert.Equal(5, await _stream.ReadAsync(_buffer));
        _writes.Write("second"u8);
        Assert.Equal(6, await _stream.ReadAsync(_buffer));
    }

    [Fact]
    public async Task A_producer_that_dribbles_is_not_gathered_for_ever()
    {
        using var stop = new CancellationTokenSource();
        var dribble = Task.Run(async () =>
        {
            for (; !stop.IsCancellationRequested; await Task.Delay(1))
            {
                _writes.Write("x"u8);
            }
        });
        // A megabyte of it would take a quarter of an hour.
        Assert.InRange(await _stream.ReadAsync(_buffer), 1, _buffer.Length - 1);
        await stop.CancelAsync();
        await dribble;
    }

    [Fact]
    public async Task The_end_comes_after_the_last_byte_and_stays()
    {
        _writes.Write("last"u8);
        _writes.Dispose();
        Assert.Equal(4, await _stream.ReadAsync(_buffer));
        Assert.Equal(0, await _stream.ReadAsync(_buffer));
        Assert.Equal(0, await _stream.ReadAsync(_buffer));
    }

    [Fact]
    public async Task A_read_is_cancelled_while_nobody_writes()
    {
        using var stop = new CancellationTokenSource();
        var read = _stream.ReadAsync(_buffer, stop.Token).AsTask();
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => read);
    }
}
