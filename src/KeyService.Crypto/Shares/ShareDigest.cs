using System.Buffers.Binary;
using System.Security.Cryptography;

namespace KeyService.Crypto.Shares;

/// <summary>
/// What is recorded of a share, to tell later whether one that is typed is still the same: docs/spec/transcript.md. Of 256 random bits it says nothing.
/// </summary>
public static class ShareDigest
{
    /// <summary>SHA-256 of "keyservice/v1/share-digest", a zero byte, and the words' numbers of 16 bits, big-endian: 32 bytes.</summary>
    public static byte[] Of(Share share)
    {
        ArgumentNullException.ThrowIfNull(share);
        ReadOnlySpan<byte> label = "keyservice/v1/share-digest\0"u8;
        using var text = new SecretBuffer(label.Length + (2 * share.WordCount));
        Span<ushort> words = stackalloc ushort[Share.MaxWords];
        words = words[..share.WordCount];
        share.WriteWords(words);
        label.CopyTo(text.DangerousSpan);
        for (var i = 0; i < words.Length; i++)
        {
            BinaryPrimitives.WriteUInt16BigEndian(text.DangerousSpan[(label.Length + (2 * i))..], words[i]);
        }

        words.Clear();
        return SHA256.HashData(text.DangerousSpan);
    }
}
