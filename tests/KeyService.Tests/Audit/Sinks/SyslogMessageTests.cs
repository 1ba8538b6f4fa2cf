using System.Buffers;
using System.Text;
using KeyService.Crypto;
using KeyService.Server.Audit;
using KeyService.Server.Audit.Search;
using KeyService.Server.Audit.Sinks;

namespace KeyService.Tests.Audit.Sinks;

public sealed class SyslogMessageTests
{
    private const string LeafHash = "[0-9a-f]{64}";

    [Fact]
    public void A_record_is_a_message_of_RFC_5424_with_its_fields_as_structured_data()
    {
        var message = SyslogMessage.Of(Record(record => record), "ks-1", SyslogMessage.ExampleEnterprise);
        Assert.Matches(
            $"""^<109>1 2026-11-22T23:20:00.000001Z ks-1 keyservice - key-rotated \[keyservice@32473 slot="2" sequence="7" event_id="303" event="key-rotated" type="administer" outcome="success" principal="alice" key="ehr/records" automated="false" leaf_hash="{LeafHash}"\] by hand$""",
            message);
    }

    [Theory]
    [InlineData(AuditOutcome.Failed, AuditEventType.Read, "<107>")]
    [InlineData(AuditOutcome.Refused, AuditEventType.Administer, "<108>")]
    [InlineData(AuditOutcome.Success, AuditEventType.Delete, "<109>")]
    [InlineData(AuditOutcome.Success, AuditEventType.Read, "<110>")]
    public void The_priority_says_how_it_ended(AuditOutcome outcome, AuditEventType type, string priority) =>
        Assert.StartsWith(priority, SyslogMessage.Of(Record(record => record with { Outcome = outcome, Type = type }), "h", 1), StringComparison.Ordinal);

    [Fact]
    public void What_somebody_wrote_cannot_end_a_value_or_a_line()
    {
        var message = SyslogMessage.Of(Record(record => record with { Principal = "a\"b]c\\d\ne", Detail = "one\r\n<0>1 two" }), "h", 1);
        Assert.Contains(""" principal="a\"b\]c\\d?e" """, message, StringComparison.Ordinal);
        Assert.EndsWith("] one??<0>1 two", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_text_that_is_not_ASCII_is_marked_as_UTF_8() =>
        Assert.EndsWith("] \uFEFFDr. M\u00fcller", SyslogMessage.Of(Record(record => record with { Detail = "Dr. M\u00fcller" }), "h", 1), StringComparison.Ordinal);

    [Fact]
    public void The_longest_record_fits_what_every_receiver_takes()
    {
        var wide = new string('\\', 200) + string.Concat(Enumerable.Repeat("\U0001F510", 78));
        var logged = Record(record => record with
        {
            Principal = wide, PrincipalType = wide, Authentication = wide, OnBehalfOf = wide, Source = wide, Device = wide, Key = wide, Reason = wide,
            TraceId = wide, RequestId = wide, Detail = string.Concat(Enumerable.Repeat("\U0001F510", 1024)), ContextDigest = new byte[32],
            KeyVersion = new KeyVersionId(1), ItemCount = ulong.MaxValue, ByteCount = ulong.MaxValue, DurationMicroseconds = ulong.MaxValue,
        });
        var frames = new ArrayBufferWriter<byte>();
        SyslogMessage.AppendFrame(frames, logged, new string('h', 255), int.MaxValue);
        var space = frames.WrittenSpan.IndexOf((byte)' ');
        var length = int.Parse(Encoding.ASCII.GetString(frames.WrittenSpan[..space]));
        Assert.Equal(frames.WrittenCount, space + 1 + length);
        Assert.InRange(length, 7000, SyslogMessage.MaxLength);
        Assert.DoesNotContain('\uFFFD', Encoding.UTF8.GetString(frames.WrittenSpan));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a b")]
    [InlineData("h\u00f6st")]
    public void A_host_that_is_no_name_is_left_out(string host) =>
        Assert.Contains("Z - keyservice ", SyslogMessage.Of(Record(record => record), host, 1), StringComparison.Ordinal);

    internal static LoggedRecord Record(Func<AuditRecord, AuditRecord> change, ulong sequence = 7)
    {
        var record = change(new AuditRecord
        {
            TimeUnixNanoseconds = 1795389600000001999, Slot = 2, Sequence = sequence, EventId = (ushort)AuditEvent.KeyRotated, Type = AuditEventType.Administer,
            Outcome = AuditOutcome.Success, Principal = "alice", Key = "ehr/records", Automated = false, Detail = "by hand",
        });
        var bytes = record.Encode();
        return LoggedRecord.Of(2, new AuditLogEntry((long)sequence, bytes, AuditRecord.LeafHash(bytes)), (long)sequence);
    }
}
