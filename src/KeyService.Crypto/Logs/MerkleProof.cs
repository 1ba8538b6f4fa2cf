using System.Numerics;

namespace KeyService.Crypto.Logs;

/// <summary>The hash of a perfect subtree: of the 2^<paramref name="level"/> leaves that begin at <paramref name="index"/> * 2^<paramref name="level"/>.</summary>
public delegate byte[] MerkleNodes(int level, long index);

/// <summary>
/// Inclusion and consistency proofs, made by RFC 6962 2.1.1 and 2.1.2 and verified by RFC 9162 2.1.3.2 and 2.1.4.2. Sizes and indexes are
/// those of the caller's own tree when a proof is made (asserted), anything at all when one is verified.
/// </summary>
public static class MerkleProof
{
    /// <summary>Hashes of a proof at most.</summary>
    public const int MaxLength = 63;

    /// <summary>The root of the first <paramref name="size"/> leaves.</summary>
    public static byte[] Root(long size, MerkleNodes nodes) => size == 0 ? MerkleHash.Empty() : Range(0, size, nodes);

    /// <summary>Proves that leaf <paramref name="index"/> stands in the tree of <paramref name="size"/> leaves: its siblings, from the leaf upwards.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The tree has no such leaf.</exception>
    public static IReadOnlyList<byte[]> Inclusion(long index, long size, MerkleNodes nodes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, size);
        var proof = new List<byte[]>();
        long start = 0;
        long end = size;
        while (end - start > 1)
        {
            long middle = start + Split(end - start);
            if (index < middle)
            {
                proof.Add(Range(middle, end, nodes));
                end = middle;
            }
            else
            {
                proof.Add(Range(start, middle, nodes));
                start = middle;
            }
        }
        proof.Reverse();
        return proof;
    }

    /// <summary>Proves that the tree of <paramref name="oldSize"/> leaves is the beginning of the one of <paramref name="size"/>; nothing is needed from size 0 or to the same size.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The old tree is the larger one.</exception>
    public static IReadOnlyList<byte[]> Consistency(long oldSize, long size, MerkleNodes nodes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(oldSize);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(oldSize, size);
        var proof = new List<byte[]>();
        if (oldSize == 0 || oldSize == size)
        {
            return proof;
        }
        long start = 0;
        long end = size;
        bool whole = true;
        // Down to the subtree that ends where the old tree ended.
        while (end != oldSize)
        {
            long middle = start + Split(end - start);
            if (oldSize <= middle)
            {
                proof.Add(Range(middle, end, nodes));
                end = middle;
            }
            else
            {
                proof.Add(Range(start, middle, nodes));
                start = middle;
                whole = false;
            }
        }
        // The verifier knows the old root; any other subtree he has to be given.
        if (!whole)
        {
            proof.Add(Range(start, end, nodes));
        }
        proof.Reverse();
        return proof;
    }

    /// <summary>Whether the leaf stands at that place of the tree with that root.</summary>
    public static bool VerifyInclusion(ReadOnlySpan<byte> leafHash, long index, long size, IReadOnlyList<byte[]> proof, ReadOnlySpan<byte> root)
    {
        if (index < 0 || index >= size || proof.Count > MaxLength || !AllHashes(proof) || leafHash.Length != MerkleHash.Length)
        {
            return false;
        }
        byte[] hash = leafHash.ToArray();
        long at = index;
        long last = size - 1;
        foreach (byte[] sibling in proof)
        {
            if (last == 0)
            {
                return false;
            }
            if ((at & 1) == 1 || at == last)
            {
                hash = MerkleHash.Node(sibling, hash);
                // A right edge without a sibling on these levels.
                while ((at & 1) == 0 && at != 0)
                {
                    at >>= 1;
                    last >>= 1;
                }
            }
            else
            {
                hash = MerkleHash.Node(hash, sibling);
            }
            at >>= 1;
            last >>= 1;
        }
        return last == 0 && root.SequenceEqual(hash);
    }

    /// <summary>Whether the tree with the old root is the beginning of the one with the new root.</summary>
    public static bool VerifyConsistency(long oldSize, ReadOnlySpan<byte> oldRoot, long size, ReadOnlySpan<byte> root, IReadOnlyList<byte[]> proof)
    {
        if (oldSize < 0 || oldSize > size || proof.Count > MaxLength || !AllHashes(proof))
        {
            return false;
        }
        if (oldSize == size)
        {
            return proof.Count == 0 && oldRoot.SequenceEqual(root);
        }
        if (oldSize == 0)
        {
            return proof.Count == 0 && oldRoot.SequenceEqual(MerkleHash.Empty());
        }
        int next = 0;
        byte[] before;
        if (BitOperations.IsPow2(oldSize))
        {
            before = oldRoot.ToArray();
        }
        else if (proof.Count == 0)
        {
            return false;
        }
        else
        {
            before = proof[next++];
        }
        byte[] after = before;
        long at = oldSize - 1;
        long last = size - 1;
        for (; (at & 1) == 1; at >>= 1)
        {
            last >>= 1;
        }
        for (; next < proof.Count; next++)
        {
            if (last == 0)
            {
                return false;
            }
            if ((at & 1) == 1 || at == last)
            {
                before = MerkleHash.Node(proof[next], before);
                after = MerkleHash.Node(proof[next], after);
                while ((at & 1) == 0 && at != 0)
                {
                    at >>= 1;
                    last >>= 1;
                }
            }
            else
            {
                after = MerkleHash.Node(after, proof[next]);
            }
            at >>= 1;
            last >>= 1;
        }
        return last == 0 && oldRoot.SequenceEqual(before) && root.SequenceEqual(after);
    }

    // The root over leaves [start, end), where start is a multiple of the least power of two that is not smaller than the length.
    private static byte[] Range(long start, long end, MerkleNodes nodes)
    {
        long length = end - start;
        if (BitOperations.IsPow2(length))
        {
            int level = BitOperations.TrailingZeroCount(length);
            return nodes(level, start >> level);
        }
        long middle = start + Split(length);
        return MerkleHash.Node(Range(start, middle, nodes), Range(middle, end, nodes));
    }

    /// <summary>The greatest power of two below a length of 2 or more.</summary>
    private static long Split(long length) => 1L << (63 - BitOperations.LeadingZeroCount((ulong)(length - 1)));

    private static bool AllHashes(IReadOnlyList<byte[]> proof)
    {
        foreach (byte[] hash in proof)
        {
            if (hash.Length != MerkleHash.Length)
            {
                return false;
            }
        }
        return true;
    }
}
