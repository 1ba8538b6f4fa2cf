using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using KeyService.Protocol.V1;
using KeyService.Server.Storage;
using CanonicalRecord = KeyService.Crypto.AuditRecord;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.Audit;

/// <summary>Records for the wire.</summary>
internal static class AuditMessages
{
    /// <exception cref="StoreTamperedException">The record is not the one that its leaf hash was made of.</exception>
    public static AuditRecord ToMessage(int slot, AuditLogEntry entry)
    {
        var message = new AuditRecord { LogSlot = slot, Sequence = entry.Sequence, Canonical = UnsafeByteOperations.UnsafeWrap(entry.Record) };
        if (!CanonicalRecord.LeafHash(entry.Record).AsSpan().SequenceEqual(entry.LeafHash) || !CanonicalRecord.TryParse(entry.Record, out var record))
        {
            throw new StoreTamperedException("audit_records", $"{slot}/{entry.Sequence}", "the record is not the one that its leaf hash was made of");
        }

        message.Time = Timestamp.FromDateTimeOffset(UnixTime.FromNanoseconds(record!.TimeUnixNanoseconds));
        message.EventId = record.EventId;
        message.Event = AuditEvents.NameOf((AuditEvent)record.EventId);
        message.Type = (AuditType)record.Type;
        message.Outcome = (Wire.AuditOutcome)record.Outcome;
        message.Principal = record.Principal ?? "";
        message.Source = record.Source ?? "";
        message.Key = record.Key ?? "";
        message.KeyVersion = record.KeyVersion?.ToString() ?? "";
        message.ItemCount = (long)(record.ItemCount ?? 0);
        message.Reason = record.Reason ?? "";
        message.TraceId = record.TraceId ?? "";
        message.RequestId = record.RequestId ?? "";
        return message;
    }
}
