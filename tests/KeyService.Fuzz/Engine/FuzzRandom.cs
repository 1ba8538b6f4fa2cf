using System.Numerics;

namespace KeyService.Fuzz.Engine;

/// <summary>
/// SplitMix64 (Steele, Lea, Flood 2014): one seed gives one sequence on every runtime, so that a finding's seed finds it again. Not for keys.
/// </summary>
internal sealed class FuzzRandom(ulong seed)
{
    private ulong _state = seed;

    public ulong Next()
    {
        ulong z = _state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>From 0 up to, and without, the limit; 0 when the limit is 0.</summary>
    public int Below(int limit) => limit <= 0 ? 0 : (int)Math.BigMul(Next(), (ulong)limit, out _);

    /// <summary>Short lengths often, long ones seldom: 1 to <paramref name="most"/>.</summary>
    public int Length(int most) => 1 + Below(Math.Min(most, 1 << (1 + Below(BitOperations.Log2((uint)Math.Max(most, 2)) + 1))));

    public bool OneIn(int n) => Below(n) == 0;

    public T Of<T>(IReadOnlyList<T> list) => list[Below(list.Count)];

    public byte[] Bytes(int count)
    {
        var bytes = new byte[count];
        for (int i = 0; i < count; i++)
        {
            bytes[i] = (byte)Next();
        }
        return bytes;
    }
}
