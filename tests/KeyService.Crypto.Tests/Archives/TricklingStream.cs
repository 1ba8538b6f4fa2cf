namespace KeyService.Tests.Archives;

/// <summary>A pipe: not seekable, and every read gives fewer bytes than were asked for.</summary>
internal sealed class TricklingStream(byte[] content) : MemoryStream(content)
{
    public override bool CanSeek => false;

    public override int Read(Span<byte> buffer) => base.Read(buffer[..Math.Min(buffer.Length, 70_001)]);

    public override int Read(byte[] buffer, int offset, int count) => base.Read(buffer, offset, Math.Min(count, 70_001));

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        base.ReadAsync(buffer[..Math.Min(buffer.Length, 70_001)], cancellationToken);
}
