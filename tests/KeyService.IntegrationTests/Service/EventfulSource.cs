namespace KeyService.IntegrationTests.Service;

/// <summary>A source of some MiB in the middle of which something happens, once: no test has to hit a moment by the clock.</summary>
internal sealed class EventfulSource(int mebibytes, int at, Func<Task> happens) : MemoryStream
{
    private int _given;

    public override bool CanSeek => false;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_given == mebibytes)
        {
            return 0;
        }
        if (_given == at)
        {
            await happens();
        }
        cancellationToken.ThrowIfCancellationRequested();
        Assert.Equal(1 << 20, buffer.Length);
        buffer.Span.Fill((byte)_given++);
        return buffer.Length;
    }
}
