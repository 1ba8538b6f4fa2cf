using System.Buffers.Binary;
using System.Text;
using KeyService.Crypto;
using KeyService.Crypto.Logs;
using KeyService.Fuzz.Engine;
using KeyService.Server.Audit;
using KeyService.Server.Audit.Search;
using static KeyService.Fuzz.Engine.BrokenPropertyException;

namespace KeyService.Fuzz.Targets;

/// <summary>What the store and the log keep: audit record, row bytes, the log's right edge.</summary>
internal static class RecordTargets
{
    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        new("audit-record", [typeof(AuditRecord), typeof(AuditRecordDecoder), typeof(AuditRowChanges)], Record)
        {
            MaxLength = 8192, Verdict = RecordVerdict,
            Words = [[1], [0, 7], [0, 15, 0, 0, 0, 32], [0, 22, 0, 0, 0, 1], [0, 23], [0, 24], [4, 0x6B, 0x65, 0x79, 0x73, 0, 1], [0, 0, 2, 0], [0, 0, 2, 1], [0, 0, 0x10, 0], [0, 0, 0x10, 1], [0xFF, 0xFF, 0xFF, 0xFF]],
            Seeds = () => VectorSeeds.Hex("audit-record", "encoded", "positive", "negative"),
        },
        new("row-bytes", [], Row)
        {
            MaxLength = 2048, Words = [[0], [1], [2], [3], [0, 0, 0, 8]],
            Seeds = () => VectorSeeds.Hex("row-mac", "encoded", "positive"),
        },
        new("merkle-frontier", [typeof(MerkleFrontier)], Frontier)
        {
            MaxLength = 8 + (64 * MerkleFrontier.HashLength), Words = [new byte[32], [0, 0, 0, 0, 0, 0, 0, 1], [0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]],
            Seeds = () => new[] { 0L, 1, 2, 3, 5, 64, 127 }.Select(size => ($"{size}", FrontierOf(size))),
        },
        new("audit-postings", [typeof(Postings)], PostingsBytes)
        {
            MaxLength = 2064, Words = [[0, 0], [0, 1], [0x3F, 0xFF], [0x40, 0], [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]],
            Seeds = () => new[] { 1, 2, 1023, 1024, AuditIndex.SegmentSize }.Select(count => ($"{count}", PostingsOf(count))),
        },
    ];

    private static Outcome Record(byte[] input)
    {
        if (!AuditRecord.TryParse(input, out AuditRecord? record))
        {
            Unless(record is null, "what is refused gives no record");
            return Outcome.Refused(Outcome.Step(input.Length));
        }
        UnlessSame(input, record!.Encode(), "what parses encodes to the same bytes");
        int present = (record.Principal is null ? 0 : 1) + (record.Key is null ? 0 : 2) + (record.KeyVersion is null ? 0 : 4) + (record.ContextDigest.IsEmpty ? 0 : 8)
            + (record.ItemCount is null ? 0 : 16) + (record.Reason is null ? 0 : 32) + (record.Detail is null ? 0 : 64) + (record.Device is null ? 0 : 128) + (256 * Math.Min(record.Changes.Count, 3));
        return Outcome.Taken(present);
    }

    private static string RecordVerdict(byte[] input) =>
        AuditRecord.TryParse(input, out AuditRecord? record) ? $"ok {Convert.ToHexStringLower(record!.Encode())}" : "no";

    // Rows are only ever written; that two rows never share bytes is what their MAC stands on. So: columns out of the input, written, read back by a
    // reader of this test's own, and compared.
    private static Outcome Row(byte[] input)
    {
        var columns = new List<(int Type, byte[] Value)>();
        ReadOnlySpan<byte> rest = input;
        string table = $"t{(rest.IsEmpty ? 0 : rest[0])}";
        RowWriter row = RowMac.Row(table);
        while (rest.Length > 1)
        {
            int length = Math.Min(rest[1], rest.Length - 2);
            columns.Add(Add(row, rest[0] % 4, rest.Slice(2, length)));
            rest = rest[(2 + length)..];
        }
        byte[] bytes = row.ToArray();
        ReadOnlySpan<byte> written = bytes;
        UnlessSame(written[..18], "keyservice/row/v1\0"u8, "a row begins with the label");
        int nameLength = BinaryPrimitives.ReadUInt16BigEndian(written[18..]);
        Unless(Encoding.ASCII.GetString(written.Slice(20, nameLength)) == table, "the table's name follows");
        written = written[(20 + nameLength)..];
        foreach ((int type, byte[] value) in columns)
        {
            Unless(written[0] == type && BinaryPrimitives.ReadUInt32BigEndian(written[1..]) == value.Length, "type and length stand before each value");
            UnlessSame(value, written.Slice(5, value.Length), "each value stands there as it was");
            written = written[(5 + value.Length)..];
        }
        Unless(written.IsEmpty, "nothing follows the last column");
        return Outcome.Taken(Outcome.Step(columns.Count) + (16 * columns.Select(column => column.Type).Distinct().Count()));
    }

    private static (int Type, byte[] Value) Add(RowWriter row, int type, ReadOnlySpan<byte> value)
    {
        switch (type)
        {
            case 0:
                row.AddNull();
                return (0, []);
            case 1 when value.Length >= 8:
                row.AddInt64(BinaryPrimitives.ReadInt64BigEndian(value));
                return (1, value[..8].ToArray());
            case 2:
                string text = Encoding.UTF8.GetString(value);
                row.AddString(text);
                return (2, Encoding.UTF8.GetBytes(text));
            default:
                row.AddBytes(value);
                return (3, value.ToArray());
        }
    }

    private static Outcome Frontier(byte[] input)
    {
        if (input.Length < 8)
        {
            return Outcome.Refused(-1);
        }
        long size = BinaryPrimitives.ReadInt64BigEndian(input);
        if (!MerkleFrontier.TryParse(size, input.AsSpan(8), out MerkleFrontier frontier))
        {
            return Outcome.Refused(Outcome.Step(size));
        }
        UnlessSame(input.AsSpan(8), frontier.ToArray(), "what parses is written again, byte for byte");
        byte[] root = frontier.Root();
        if (size < long.MaxValue)
        {
            frontier.Append(new byte[MerkleFrontier.HashLength]);
            Unless(frontier.Size == size + 1 && MerkleFrontier.TryParse(size + 1, frontier.ToArray(), out _), "a leaf more still is a tree");
            Unless(!frontier.Root().AsSpan().SequenceEqual(root), "a leaf more gives another root");
        }
        return Outcome.Taken(Outcome.Step(size));
    }

    private static Outcome PostingsBytes(byte[] input)
    {
        if (!Postings.TryParse(input, out Postings postings))
        {
            return Outcome.Refused(Outcome.Step(input.Length));
        }
        UnlessSame(input, postings.Encode(), "what parses is written again, byte for byte");
        Unless(postings.Count == postings.Descending().Count() && postings.Count > 0, "as many records as bits, and one at least");
        return Outcome.Taken(Outcome.Step(postings.Count));
    }

    private static byte[] PostingsOf(int count)
    {
        var postings = new Postings();
        for (int i = 0; i < count; i++)
        {
            postings.Add(AuditIndex.SegmentSize - 1 - i);
        }
        return postings.Encode();
    }

    private static byte[] FrontierOf(long size)
    {
        var frontier = new MerkleFrontier();
        for (long i = 0; i < size; i++)
        {
            frontier.Append(AuditRecord.LeafHash([(byte)i]));
        }
        byte[] start = new byte[8];
        BinaryPrimitives.WriteInt64BigEndian(start, size);
        return [.. start, .. frontier.ToArray()];
    }
}
