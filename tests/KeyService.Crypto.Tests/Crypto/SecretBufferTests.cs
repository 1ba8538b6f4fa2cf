using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using KeyService.Crypto;

namespace KeyService.Tests.Crypto;

public sealed class SecretBufferTests
{
    [Fact]
    public void A_buffer_holds_its_own_copy_begins_as_zeros_and_prints_only_its_length()
    {
        byte[] source = [1, 2, 3];
        using SecretBuffer copy = SecretBuffer.CopyOf(source);
        source[0] = 9;
        Assert.Equal([1, 2, 3], copy.DangerousSpan.ToArray());
        Assert.Equal("SecretBuffer(3)", copy.ToString());
        using var empty = new SecretBuffer(100);
        Assert.Equal(new byte[100], empty.DangerousSpan);
    }

    [Fact]
    public unsafe void Disposing_zeroes_the_memory_and_ends_access()
    {
        SecretBuffer secret = SecretBuffer.Random(32);
        byte* address = (byte*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(secret.DangerousSpan));
        Assert.NotEqual(new byte[32], new Span<byte>(address, 32).ToArray());
        secret.Dispose();
        secret.Dispose();
        Assert.Throws<ObjectDisposedException>(() => secret.DangerousSpan[0]);
        // The arena never gives its regions back, so the cell can still be looked at: zero, or taken by another test that writes something else.
        using SecretBuffer next = new(32);
        Assert.Equal(new byte[32], next.DangerousSpan);
    }

    [Fact]
    public void Large_buffers_do_not_share_memory_even_when_there_are_more_than_one_region_holds()
    {
        SecretBuffer[] buffers = [.. Enumerable.Range(0, 12).Select(i => new SecretBuffer((64 * 1024) - (i * 1000)))];
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

    [Fact]
    public void Many_threads_rent_and_return()
    {
        int wrong = 0;
        Parallel.For(0, 5_000, i =>
        {
            using SecretBuffer buffer = new(1 + (i % 300));
            buffer.DangerousSpan.Fill((byte)i);
            if (buffer.DangerousSpan.ContainsAnyExcept((byte)i))
            {
                Interlocked.Increment(ref wrong);
            }
        });
        Assert.Equal(0, wrong);
    }

    [Fact]
    public unsafe void On_Linux_the_kernel_keeps_the_arena_out_of_dumps_and_children_and_in_memory()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Reads /proc/self/smaps.");
        using SecretBuffer secret = SecretBuffer.Random(32);
        ulong address = (ulong)Unsafe.AsPointer(ref MemoryMarshal.GetReference(secret.DangerousSpan));
        string[] flags = FlagsOfMapping(address);
        Assert.Contains("dd", flags);
        Assert.Contains("wf", flags);
        Assert.Equal(SecretArena.IsLocked, flags.Contains("lo"));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData((64 * 1024) + 1)]
    public void Lengths_outside_the_range_throw(int length) => Assert.Throws<ArgumentOutOfRangeException>(() => new SecretBuffer(length));

    private static string[] FlagsOfMapping(ulong address)
    {
        bool inside = false;
        foreach (string line in File.ReadLines("/proc/self/smaps"))
        {
            string[] bounds = line.Split(' ')[0].Split('-');
            if (bounds.Length == 2 && ulong.TryParse(bounds[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out ulong start))
            {
                inside = address >= start && address < ulong.Parse(bounds[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            }
            else if (inside && line.StartsWith("VmFlags:", StringComparison.Ordinal))
            {
                return line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            }
        }
        return [];
    }
}
