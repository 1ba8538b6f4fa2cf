using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using KeyService.Crypto;
using KeyService.Server.Storage;

namespace KeyService.Server.Detection;

/// <summary>
/// Something that the rules found, and what people made of it, as its table has it. Its id follows from what was found, so the same find is
/// never two.
/// </summary>
internal sealed class FindingRow
{
    public long Id { get; set; }

    public long Rule { get; set; }

    public string Subject { get; set; } = "";

    public string Message { get; set; } = "";

    /// <summary>Where the record stands that met the rule.</summary>
    public long Slot { get; set; }

    public long Sequence { get; set; }

    /// <summary>Time of that record, Unix nanoseconds.</summary>
    public long RecordedAt { get; set; }

    public long MadeAt { get; set; }

    /// <summary>The month of the record by the site's clocks, "2026-11": it is signed off with it.</summary>
    public string Month { get; set; } = "";

    public string? Assignee { get; set; }

    public long? AssignedAt { get; set; }

    /// <summary>A <see cref="Detection.Disposition"/>.</summary>
    public long Disposition { get; set; }

    public string? Note { get; set; }

    public string? ClosedBy { get; set; }

    public long? ClosedAt { get; set; }

    public long Revision { get; set; }

    public byte[] Mac { get; set; } = [];

    public string IdText => Id.ToString("x16", CultureInfo.InvariantCulture);

    public DetectionRule RuleKind => (DetectionRule)Rule;

    public bool IsOpen => ClosedAt is null;

    public DateTimeOffset RecordTime => UnixTime.FromNanoseconds(RecordedAt);

    public DateTimeOffset MakeTime => UnixTime.FromNanoseconds(MadeAt);

    public static FindingRow New(DetectionHit hit, int slot, AuditRecord record, SiteCalendar calendar, DateTimeOffset now) => new()
    {
        Id = IdOf(hit, slot, record.Sequence),
        Rule = (long)hit.Rule,
        Subject = Pipeline.OneLine.Of(hit.Subject, MaxSubjectLength),
        Message = Pipeline.OneLine.Of(hit.Message, MaxMessageLength),
        Slot = slot,
        Sequence = (long)record.Sequence,
        RecordedAt = record.TimeUnixNanoseconds,
        MadeAt = UnixTime.Nanoseconds(now),
        Month = MonthOf(calendar, UnixTime.FromNanoseconds(record.TimeUnixNanoseconds)),
        Revision = 1,
    };

    /// <summary>"2026-11".</summary>
    public static string MonthOf(SiteCalendar calendar, DateTimeOffset time) => calendar.LocalOf(time).ToString("yyyy-MM", CultureInfo.InvariantCulture);

    public byte[] Canonical() => RowMac.Row(FindingTable.Name)
        .AddInt64(Id).AddInt64(Rule).AddString(Subject).AddString(Message).AddInt64(Slot).AddInt64(Sequence).AddInt64(RecordedAt).AddInt64(MadeAt)
        .AddString(Month).AddString(Assignee).AddInt64(AssignedAt).AddInt64(Disposition).AddString(Note).AddString(ClosedBy).AddInt64(ClosedAt)
        .AddInt64(Revision).ToArray();

    private const int MaxSubjectLength = 256;
    private const int MaxMessageLength = 1024;

    // First 8 bytes of SHA-256(rule 4 | slot 4 | sequence 8 | subject), never 0.
    private static long IdOf(DetectionHit hit, int slot, ulong sequence)
    {
        var subject = Encoding.UTF8.GetBytes(hit.Subject);
        var bytes = new byte[16 + subject.Length];
        BinaryPrimitives.WriteInt32BigEndian(bytes, (int)hit.Rule);
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(4), slot);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(8), sequence);
        subject.CopyTo(bytes, 16);
        return BinaryPrimitives.ReadInt64BigEndian(SHA256.HashData(bytes)) is not 0 and var id ? id : 1;
    }
}
