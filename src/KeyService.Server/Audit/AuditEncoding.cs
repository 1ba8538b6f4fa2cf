using KeyService.Crypto;
using KeyService.Server.Access;
using KeyService.Server.Storage;

namespace KeyService.Server.Audit;

/// <summary>From a draft and its place in the log to the canonical record.</summary>
internal static class AuditEncoding
{
    /// <exception cref="InvalidOperationException">The draft holds what a record cannot.</exception>
    public static byte[] Encode(AuditRecordDraft draft, int slot, long sequence, DateTimeOffset time) => new AuditRecord
    {
        TimeUnixNanoseconds = UnixTime.Nanoseconds(time),
        Slot = (uint)slot,
        Sequence = (ulong)sequence,
        EventId = (ushort)draft.Event,
        Type = AuditEvents.TypeOf(draft.Event),
        Outcome = draft.Outcome,
        Principal = draft.Principal,
        PrincipalType = draft.PrincipalType is { } type ? PrincipalTypes.NameOf(type) : null,
        Authentication = draft.Authentication,
        OnBehalfOf = draft.OnBehalfOf,
        Source = draft.Source,
        Device = draft.Device,
        Key = draft.Key,
        KeyVersion = draft.KeyVersion,
        ContextDigest = draft.ContextDigest,
        ItemCount = draft.ItemCount > 0 ? (ulong)draft.ItemCount : null,
        ByteCount = draft.ByteCount > 0 ? (ulong)draft.ByteCount : null,
        Reason = draft.Reason,
        TraceId = draft.TraceId,
        RequestId = draft.RequestId,
        DurationMicroseconds = draft.Duration > TimeSpan.Zero ? (ulong)draft.Duration.TotalMicroseconds : null,
        Automated = draft.Automated,
        Detail = draft.Detail,
        Changes = draft.Changes.Count == 0 ? [] : [.. draft.Changes.Select(RowOf)],
    }.Encode();

    private static AuditRowChange RowOf(RowChange change) => new(change.Table, change.RowId, change.Revision, change.Digest);
}
