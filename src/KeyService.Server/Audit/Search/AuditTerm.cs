using System.Globalization;
using KeyService.Crypto;

namespace KeyService.Server.Audit.Search;

/// <summary>What of a record can be looked up; frozen numbers, they stand in the index.</summary>
internal enum AuditTermKind : byte
{
    /// <summary>Name of the principal.</summary>
    Principal = 1,

    /// <summary>Name of the key.</summary>
    Key = 2,

    /// <summary>Number of the event, decimal.</summary>
    Event = 3,

    /// <summary>Number of the outcome, decimal; success is not looked up, nearly every record is one.</summary>
    Outcome = 4,
}

/// <summary>One thing that records are looked up by.</summary>
internal readonly record struct AuditTerm(AuditTermKind Kind, string Text)
{
    public static AuditTerm Of(AuditEvent auditEvent) => new(AuditTermKind.Event, ((int)auditEvent).ToString(CultureInfo.InvariantCulture));

    public static AuditTerm Of(AuditOutcome outcome) => new(AuditTermKind.Outcome, ((int)outcome).ToString(CultureInfo.InvariantCulture));

    /// <summary>Every term under which the index has a record.</summary>
    public static IEnumerable<AuditTerm> OfRecord(AuditRecord record)
    {
        if (record.Principal is { } principal)
        {
            yield return new AuditTerm(AuditTermKind.Principal, principal);
        }

        if (record.Key is { } key)
        {
            yield return new AuditTerm(AuditTermKind.Key, key);
        }

        yield return Of((AuditEvent)record.EventId);
        if (record.Outcome != AuditOutcome.Success)
        {
            yield return Of(record.Outcome);
        }
    }
}
