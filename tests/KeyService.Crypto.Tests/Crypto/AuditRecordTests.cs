using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using KeyService.Crypto;

namespace KeyService.Tests.Crypto;

/// <summary>docs/spec/audit-record.md.</summary>
public sealed class AuditRecordTests
{
    private const string File = "audit-record.json";

    [Fact]
    public void Every_positive_vector_encodes_parses_and_hashes_to_its_bytes()
    {
        foreach (JsonObject vector in Vectors.List(File, "positive"))
        {
            AuditRecord record = FromFields(vector["fields"]!.AsObject());
            byte[] encoded = vector.Bytes("encoded");
            Assert.Equal(encoded, record.Encode());
            Assert.True(AuditRecord.TryParse(encoded, out AuditRecord? parsed), vector.Text("name"));
            Assert.Equal(record, parsed);
            Assert.Equal(encoded, parsed!.Encode());
            Assert.Equal(vector.Bytes("leafHash"), AuditRecord.LeafHash(encoded));
        }
    }

    [Fact]
    public void Bytes_that_are_not_canonical_do_not_parse()
    {
        foreach (JsonObject vector in Vectors.List(File, "negative"))
        {
            Assert.False(AuditRecord.TryParse(vector.Bytes("encoded"), out AuditRecord? record), vector.Text("name"));
            Assert.Null(record);
        }
    }

    // Each rule by itself has its vector. Two faults in one record must not make up for each other.
    [Fact]
    public void Two_faults_in_one_record_are_refused_as_each_is()
    {
        byte[] version = [0, 14, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1];
        byte[] digest = [0, 15, 0, 0, 0, 32, .. new byte[32]];
        byte[] record = (Least() with { Principal = "p", KeyVersion = new KeyVersionId(1), ContextDigest = new byte[32], Reason = "r" }).Encode();
        int At(ReadOnlySpan<byte> field) => record.AsSpan().IndexOf(field);
        Func<byte[], byte[]>[] faults =
        [
            bytes => With(bytes, At([0, 5, 0, 0, 0, 1]) + 6, 9),
            bytes => With(bytes, At([0, 6, 0, 0, 0, 1]) + 6, 9),
            bytes => With(bytes, At([0, 7, 0, 0, 0, 1]) + 6, 0xFF),
            bytes => With(bytes, At(version) + 13, 0),
            bytes => With(bytes, At([0, 18, 0, 0, 0, 1]) + 6, 0xFF),
            bytes => With(bytes, At([0, 22, 0, 0, 0, 1]) + 6, 2),
            bytes => Without(bytes, digest, 15),
        ];
        Assert.True(AuditRecord.TryParse(record, out _));
        for (int one = 0; one < faults.Length; one++)
        {
            Assert.False(AuditRecord.TryParse(faults[one](record), out _), $"fault {one}");
            for (int other = one + 1; other < faults.Length; other++)
            {
                Assert.False(AuditRecord.TryParse(faults[other](faults[one](record)), out AuditRecord? parsed), $"faults {one} and {other}");
                Assert.Null(parsed);
            }
        }

        static byte[] With(byte[] bytes, int at, byte value)
        {
            byte[] changed = [.. bytes];
            changed[at] = value;
            return changed;
        }

        // A digest of 31 bytes: one byte less, and the length that says so.
        static byte[] Without(byte[] bytes, byte[] digest, byte field)
        {
            int at = bytes.AsSpan().IndexOf(digest);
            byte[] shorter = [.. bytes[..(at + 6)], .. bytes[(at + 7)..]];
            Assert.Equal(field, shorter[at + 1]);
            shorter[at + 5] = 31;
            return shorter;
        }
    }

    [Fact]
    public void Records_are_equal_by_their_bytes()
    {
        Assert.Equal(Least(), Least() with { Reason = "" });
        Assert.NotEqual(Least(), Least() with { Reason = "x" });
        Assert.False(Least().Equals(null));
        Assert.Equal(Least().GetHashCode(), (Least() with { Reason = "" }).GetHashCode());
    }

    // Numbers stand in every log ever written. This list may only grow at its end.
    [Fact]
    public void The_field_numbers_are_frozen() => Assert.Equal(
        [
            "1 Time", "2 Slot", "3 Sequence", "4 Event", "5 Type", "6 Outcome", "7 Principal", "8 PrincipalType", "9 Authentication", "10 OnBehalfOf",
            "11 Source", "12 Device", "13 Key", "14 KeyVersion", "15 ContextDigest", "16 ItemCount", "17 ByteCount", "18 Reason", "19 TraceId",
            "20 RequestId", "21 DurationMicroseconds", "22 Automated", "23 Detail", "24 Changes",
        ],
        Enum.GetValues<AuditFieldId>().Select(id => $"{(ushort)id} {id}"));

    [Fact]
    public void The_numbers_of_types_and_outcomes_are_frozen()
    {
        Assert.Equal(["1 Read", "2 Modify", "3 Delete", "4 Administer"], Enum.GetValues<AuditEventType>().Select(type => $"{(byte)type} {type}"));
        Assert.Equal(
            ["1 Success", "2 Refused", "3 Failed", "4 Pending", "5 Opened"], Enum.GetValues<AuditOutcome>().Select(outcome => $"{(byte)outcome} {outcome}"));
    }

    [Fact]
    public void Whatever_text_a_caller_sends_is_recorded()
    {
        AuditRecord record = Least() with
        {
            Principal = "\ud83d",
            Source = "\0",
            Key = new string('é', 2000),
            Reason = "",
            Detail = string.Concat(Enumerable.Repeat("\U0001F511", 3000)),
        };
        byte[] encoded = record.Encode();
        Assert.True(AuditRecord.TryParse(encoded, out AuditRecord? parsed));
        Assert.Equal(encoded, parsed!.Encode());
        Assert.Equal("\uFFFD", parsed.Principal);
        Assert.Equal("\0", parsed.Source);
        Assert.Equal(new string('é', 256), parsed.Key);
        Assert.Null(parsed.Reason);
        Assert.Equal(4096, Encoding.UTF8.GetByteCount(parsed.Detail!));
    }

    [Fact]
    public void The_longest_record_fits()
    {
        string text = new('x', 10_000);
        AuditRecord record = Least() with
        {
            Principal = text, PrincipalType = text, Authentication = text, OnBehalfOf = text, Source = text, Device = text, Key = text,
            KeyVersion = new KeyVersionId(1), ContextDigest = new byte[32], ItemCount = 1, ByteCount = 1, Reason = text, TraceId = text, RequestId = text,
            DurationMicroseconds = 1, Detail = text, Changes = [new AuditRowChange("t", "r", 1, new byte[32])],
        };
        Assert.True(AuditRecord.TryParse(record.Encode(), out AuditRecord? parsed));
        Assert.Equal(512, parsed!.RequestId!.Length);
        Assert.Equal(4096, parsed.Detail!.Length);
    }

    [Fact]
    public void What_the_service_itself_must_not_record_throws()
    {
        string said = Assert.Throws<InvalidOperationException>(() => (Least() with { Type = 0 }).Encode()).Message;
        Assert.Contains("undefined type or outcome", said, StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => (Least() with { Outcome = (AuditOutcome)9 }).Encode());
        Assert.Throws<InvalidOperationException>(() => (Least() with { ContextDigest = new byte[31] }).Encode());
        Assert.Throws<InvalidOperationException>(() => (Least() with { KeyVersion = KeyVersionId.None }).Encode());
    }

    [Fact]
    public void A_changed_row_that_the_format_cannot_hold_throws_and_is_not_cut()
    {
        var row = new AuditRowChange("keys", "a", 1, new byte[32]);
        AuditRowChange[] wrong =
        [
            row with { Table = "" }, row with { Table = "Keys" }, row with { Table = new string('t', 64) }, row with { RowId = "" }, row with { RowId = new string('x', 513) },
            row with { RowId = new string('é', 257) }, row with { RowId = "\ud83d" }, row with { Revision = 0 }, row with { Digest = new byte[31] },
        ];
        Assert.All(wrong, each => Assert.Throws<InvalidOperationException>(() => (Least() with { Changes = [each] }).Encode()));
        Assert.All(wrong, each => Assert.Throws<InvalidOperationException>(() => AuditRecord.LengthOf(each)));
    }

    [Fact]
    public void More_changed_rows_than_fit_throw()
    {
        var row = new AuditRowChange("keys", "a", 1, new byte[32]);
        int most = AuditRecord.MaxChangesLength / AuditRecord.LengthOf(row);
        Assert.True(AuditRecord.TryParse((Least() with { Changes = [.. Enumerable.Repeat(row, most)] }).Encode(), out AuditRecord? parsed));
        Assert.Equal(most, parsed!.Changes.Count);
        string said = Assert.Throws<InvalidOperationException>(() => (Least() with { Changes = [.. Enumerable.Repeat(row, most + 1)] }).Encode()).Message;
        Assert.Contains("does not fit", said, StringComparison.Ordinal);
    }

    internal static AuditRecord Least() => new()
    {
        TimeUnixNanoseconds = 1, Slot = 0, Sequence = 0, EventId = 1, Type = AuditEventType.Read, Outcome = AuditOutcome.Success, Automated = true,
    };

    private static AuditRecord FromFields(JsonObject fields)
    {
        string? Text(string name) => fields[name]?.GetValue<string>();
        ulong? Big(string name) => Text(name) is { } text ? ulong.Parse(text, CultureInfo.InvariantCulture) : null;
        return new AuditRecord
        {
            TimeUnixNanoseconds = long.Parse(Text("time")!, CultureInfo.InvariantCulture),
            Slot = fields["slot"]!.GetValue<uint>(),
            Sequence = Big("sequence")!.Value,
            EventId = fields["event"]!.GetValue<ushort>(),
            Type = (AuditEventType)fields["type"]!.GetValue<byte>(),
            Outcome = (AuditOutcome)fields["outcome"]!.GetValue<byte>(),
            Principal = Text("principal"),
            PrincipalType = Text("principalType"),
            Authentication = Text("authentication"),
            OnBehalfOf = Text("onBehalfOf"),
            Source = Text("source"),
            Device = Text("device"),
            Key = Text("key"),
            KeyVersion = Text("keyVersion") is { } version ? KeyVersionId.Read(Convert.FromHexString(version)) : null,
            ContextDigest = Text("contextDigest") is { } digest ? Convert.FromHexString(digest) : default(ReadOnlyMemory<byte>),
            ItemCount = Big("itemCount"),
            ByteCount = Big("byteCount"),
            Reason = Text("reason"),
            TraceId = Text("traceId"),
            RequestId = Text("requestId"),
            DurationMicroseconds = Big("durationMicroseconds"),
            Automated = fields["automated"]!.GetValue<int>() == 1,
            Detail = Text("detail"),
            Changes = fields["changes"] is JsonArray rows ? [.. rows.Select(row => RowOf(row!.AsObject()))] : [],
        };
    }

    private static AuditRowChange RowOf(JsonObject row) => new(
        row.Text("table"), row.Text("row"), long.Parse(row.Text("revision"), CultureInfo.InvariantCulture), Convert.FromHexString(row.Text("digest")));
}
