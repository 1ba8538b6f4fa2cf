using System.Globalization;
using KeyService.Crypto;
using KeyService.Server.Audit.Search;

namespace KeyService.Server.Audit.Sinks;

/// <summary>
/// A record as names and values, for receivers that keep text: docs/spec/audit-copy.md. Its leaf hash commits to the whole of it.
/// </summary>
internal static class SinkFields
{
    /// <summary>What is present, always in this order; names and their order only grow.</summary>
    public static IEnumerable<(string Name, string Value)> Of(LoggedRecord logged)
    {
        var record = logged.Record;
        return new (string Name, string? Value)[]
        {
            ("slot", Number(logged.Slot)),
            ("sequence", Number(logged.Entry.Sequence)),
            ("event_id", Number(record.EventId)),
            ("event", AuditEvents.NameOf((AuditEvent)record.EventId)),
            ("type", Word(record.Type)),
            ("outcome", Word(record.Outcome)),
            ("principal", record.Principal),
            ("principal_type", record.PrincipalType),
            ("authentication", record.Authentication),
            ("on_behalf_of", record.OnBehalfOf),
            ("source", record.Source),
            ("device", record.Device),
            ("key", record.Key),
            ("key_version", record.KeyVersion?.ToString()),
            ("context_digest", record.ContextDigest is { } digest ? Convert.ToHexStringLower(digest.Span) : null),
            ("items", record.ItemCount?.ToString(CultureInfo.InvariantCulture)),
            ("bytes", record.ByteCount?.ToString(CultureInfo.InvariantCulture)),
            ("reason", record.Reason),
            ("trace_id", record.TraceId),
            ("request_id", record.RequestId),
            ("duration_us", record.DurationMicroseconds?.ToString(CultureInfo.InvariantCulture)),
            ("automated", record.Automated ? "true" : "false"),
            ("changes", record.Changes.Count == 0 ? null : Number(record.Changes.Count)),
            ("leaf_hash", Convert.ToHexStringLower(logged.Entry.LeafHash)),
        }.Where(field => !string.IsNullOrEmpty(field.Value)).Select(field => (field.Name, field.Value!));
    }

    public static string Word<T>(T value)
        where T : struct, Enum => value.ToString().ToLowerInvariant();

    private static string Number(long number) => number.ToString(CultureInfo.InvariantCulture);
}
