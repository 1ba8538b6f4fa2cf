using System.Runtime.InteropServices;
using System.Text;

namespace KeyService.IntegrationTests.BadDays;

/// <summary>Sixteen bytes that stand for a secret in one of the forms in which it might lie about.</summary>
internal sealed record Needle(string Secret, string Form, byte[] Bytes)
{
    public const int Length = 16;
}

/// <summary>Looks for many secrets in one pass over bytes.</summary>
internal sealed class Haystack
{
    private const int FilterBits = 20;
    private readonly bool[] filter = new bool[1 << FilterBits];
    private readonly Dictionary<ulong, List<Needle>> byPrefix = [];

    /// <summary>
    /// Bytes of a key, 16 at least: either half raw, the whole raw in reverse order, hexadecimal and base64 as UTF-8 and as UTF-16.
    /// </summary>
    public Haystack Add(string secret, ReadOnlySpan<byte> key)
    {
        var bytes = key.ToArray();
        AddRaw(secret, "raw", bytes);
        AddNeedle(secret, "raw, second half", bytes[^Needle.Length..]);
        AddRaw(secret, "reversed", [.. Enumerable.Reverse(bytes)]);
        AddText(secret, "hexadecimal", Convert.ToHexStringLower(bytes));
        AddText(secret, "HEXADECIMAL", Convert.ToHexString(bytes));
        // At each of three alignments in a longer text, without the characters that depend on their neighbours.
        for (var shift = 0; shift < 3; shift++)
        {
            var text = Convert.ToBase64String([.. new byte[shift], .. bytes]);
            AddText(secret, "base64", text[(shift == 0 ? 0 : 4)..^4]);
            AddText(secret, "base64url", text[(shift == 0 ? 0 : 4)..^4].Replace('+', '-').Replace('/', '_'));
        }
        return this;
    }

    /// <summary>A text, such as a PIN of 16 characters at least, as UTF-8 and as UTF-16.</summary>
    public Haystack AddText(string secret, string form, string text)
    {
        AddRaw(secret, form, Encoding.UTF8.GetBytes(text));
        AddRaw(secret, $"{form}, UTF-16", Encoding.Unicode.GetBytes(text));
        return this;
    }

    /// <summary>Needles with where each begins.</summary>
    public List<(Needle Needle, int Offset)> Find(ReadOnlySpan<byte> bytes)
    {
        var found = new List<(Needle, int)>();
        for (var at = 0; at + Needle.Length <= bytes.Length; at++)
        {
            var prefix = MemoryMarshal.Read<ulong>(bytes[at..]);
            if (!filter[Hash(prefix)] || !byPrefix.TryGetValue(prefix, out var candidates))
            {
                continue;
            }
            foreach (var candidate in candidates)
            {
                if (bytes.Slice(at, Needle.Length).SequenceEqual(candidate.Bytes))
                {
                    found.Add((candidate, at));
                }
            }
        }
        return found;
    }

    private void AddRaw(string secret, string form, byte[] bytes) => AddNeedle(secret, form, bytes[..Needle.Length]);

    private void AddNeedle(string secret, string form, byte[] bytes)
    {
        var prefix = MemoryMarshal.Read<ulong>(bytes);
        filter[Hash(prefix)] = true;
        if (!byPrefix.TryGetValue(prefix, out var needles))
        {
            byPrefix[prefix] = needles = [];
        }
        needles.Add(new Needle(secret, form, bytes));
    }

    private static int Hash(ulong prefix) => (int)((prefix * 0x9E3779B97F4A7C15) >> (64 - FilterBits));
}
