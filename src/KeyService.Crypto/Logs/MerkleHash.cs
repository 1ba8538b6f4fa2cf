using System.Security.Cryptography;

namespace KeyService.Crypto.Logs;

/// <summary>The hashes of RFC 6962, 2.1: SHA-256, a leaf behind 0x00, an inner node behind 0x01, so that neither is taken for the other.</summary>
public static class MerkleHash
{
    /// <summary>Bytes of a hash.</summary>
    public const int Length = 32;

    /// <summary>SHA-256(0x00 | entry).</summary>
    public static byte[] Leaf(ReadOnlySpan<byte> entry) => AuditRecord.LeafHash(entry);

    /// <summary>SHA-256(0x01 | left | right).</summary>
    public static byte[] Node(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right)
    {
        byte[] hash = new byte[Length];
        Node(left, right, hash);
        return hash;
    }

    /// <summary>As <see cref="Node(ReadOnlySpan{byte}, ReadOnlySpan{byte})"/>; the destination may be one of the two.</summary>
    public static void Node(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right, Span<byte> destination)
    {
        Span<byte> input = stackalloc byte[1 + 2 * Length];
        input[0] = 0x01;
        left.CopyTo(input[1..]);
        right.CopyTo(input[(1 + Length)..]);
        SHA256.HashData(input, destination);
    }

    /// <summary>The root of no leaves: SHA-256 of nothing.</summary>
    public static byte[] Empty() => SHA256.HashData([]);
}
