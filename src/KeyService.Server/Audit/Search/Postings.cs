using System.Buffers.Binary;
using System.Numerics;

namespace KeyService.Server.Audit.Search;

/// <summary>
/// Which records of a segment something is true of, a bit each. Written as the numbers themselves where they are few (ascending, 2 bytes
/// each, big-endian), as the 2,048 bytes of all bits where they are not: at most an eighth of a byte a record (docs/spec/audit-index.md).
/// </summary>
internal sealed class Postings
{
    private const int BitmapLength = AuditIndex.SegmentSize / 8;
    private const int MaxListed = (BitmapLength / 2) - 1;

    private readonly ulong[] _words = new ulong[AuditIndex.SegmentSize / 64];

    public int Count => _words.Sum(BitOperations.PopCount);

    /// <param name="offset">Place of the record in its segment, from 0.</param>
    public void Add(int offset) => _words[offset / 64] |= 1UL << (offset % 64);

    public static Postings All()
    {
        var all = new Postings();
        Array.Fill(all._words, ulong.MaxValue);
        return all;
    }

    public void And(Postings other)
    {
        for (var i = 0; i < _words.Length; i++)
        {
            _words[i] &= other._words[i];
        }
    }

    public void Or(Postings other)
    {
        for (var i = 0; i < _words.Length; i++)
        {
            _words[i] |= other._words[i];
        }
    }

    /// <summary>From the last to the first.</summary>
    public IEnumerable<int> Descending()
    {
        for (var i = _words.Length - 1; i >= 0; i--)
        {
            for (var word = _words[i]; word != 0;)
            {
                var bit = 63 - BitOperations.LeadingZeroCount(word);
                yield return (i * 64) + bit;
                word &= ~(1UL << bit);
            }
        }
    }

    public byte[] Encode()
    {
        var count = Count;
        if (count > MaxListed)
        {
            var bitmap = new byte[BitmapLength];
            for (var i = 0; i < _words.Length; i++)
            {
                BinaryPrimitives.WriteUInt64BigEndian(bitmap.AsSpan(i * 8), _words[i]);
            }

            return bitmap;
        }

        var list = new byte[count * 2];
        var at = list.Length;
        foreach (var offset in Descending())
        {
            at -= 2;
            BinaryPrimitives.WriteUInt16BigEndian(list.AsSpan(at), (ushort)offset);
        }

        return list;
    }

    /// <summary>False for what <see cref="Encode"/> does not make.</summary>
    public static bool TryParse(ReadOnlySpan<byte> encoded, out Postings postings)
    {
        postings = new Postings();
        if (encoded.Length == BitmapLength)
        {
            for (var i = 0; i < postings._words.Length; i++)
            {
                postings._words[i] = BinaryPrimitives.ReadUInt64BigEndian(encoded[(i * 8)..]);
            }

            return postings.Count > MaxListed;
        }

        if (encoded.Length is 0 or > BitmapLength || encoded.Length % 2 != 0)
        {
            return false;
        }

        for (var before = -1; !encoded.IsEmpty; encoded = encoded[2..])
        {
            var offset = BinaryPrimitives.ReadUInt16BigEndian(encoded);
            if (offset <= before || offset >= AuditIndex.SegmentSize)
            {
                return false;
            }

            postings.Add(offset);
            before = offset;
        }

        return true;
    }
}
