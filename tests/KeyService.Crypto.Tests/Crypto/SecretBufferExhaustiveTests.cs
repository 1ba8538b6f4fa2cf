using KeyService.Crypto;

namespace KeyService.Tests.Crypto;

/// <summary>Thousands of small secrets. Left out of a mutation run, where each of them would look for its cell a thousand times.</summary>
public sealed class SecretBufferExhaustiveTests
{
    [Fact]
    public void Buffers_do_not_share_memory_even_when_there_are_more_than_one_region_holds()
    {
        SecretBuffer[] buffers = [.. Enumerable.Range(0, 6000).Select(i => new SecretBuffer(40 + (i % 100)))];
        try
        {
            for (int i = 0; i < buffers.Length; i++)
            {
                buffers[i].DangerousSpan.Fill((byte)i);
            }
            for (int i = 0; i < buffers.Length; i++)
            {
                Assert.False(buffers[i].DangerousSpan.ContainsAnyExcept((byte)i));
            }
        }
        finally
        {
            Array.ForEach(buffers, buffer => buffer.Dispose());
        }
        using var reused = new SecretBuffer(64 * 1024);
        Assert.False(reused.DangerousSpan.ContainsAnyExcept((byte)0));
    }
}
