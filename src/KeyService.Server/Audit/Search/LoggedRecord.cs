using KeyService.Crypto;
using KeyService.Server.Storage;

namespace KeyService.Server.Audit.Search;

/// <summary>A record as the log has it, held against its leaf hash and its place.</summary>
internal sealed record LoggedRecord(int Slot, AuditLogEntry Entry, AuditRecord Record)
{
    /// <param name="sequence">Where it must stand.</param>
    /// <exception cref="StoreTamperedException">Something else stands there.</exception>
    public static LoggedRecord Of(int slot, AuditLogEntry entry, long sequence)
    {
        if (entry.Sequence != sequence)
        {
            throw new StoreTamperedException("audit_records", $"{slot}/{sequence}", "the record is missing");
        }

        return AuditRecord.LeafHash(entry.Record).AsSpan().SequenceEqual(entry.LeafHash) && AuditRecord.TryParse(entry.Record, out var record)
            && record!.Slot == (uint)slot && record.Sequence == (ulong)sequence
            ? new LoggedRecord(slot, entry, record)
            : throw new StoreTamperedException("audit_records", $"{slot}/{sequence}", "the record is not the one that its leaf hash was made of");
    }
}
