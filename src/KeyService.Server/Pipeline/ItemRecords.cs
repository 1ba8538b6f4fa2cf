using KeyService.Crypto;
using KeyService.Server.Access;
using KeyService.Server.Audit;

namespace KeyService.Server.Pipeline;

/// <summary>
/// A record of each item of a batch, for principals of whom every item is recorded (AI systems): durable before the batch is answered, beside the
/// record of the call, which they share the trace id with.
/// </summary>
internal sealed class ItemRecords(Call call, AuditEvent itemEvent, int items)
{
    private readonly List<AuditRecordDraft> _records = new(items);

    /// <summary>Those of a batch whose caller's items are recorded; null for everybody else.</summary>
    /// <exception cref="Refusal">BATCH_TOO_LARGE.</exception>
    public static ItemRecords? Of(Call call, AuditEvent itemEvent, int items)
    {
        if (call.Principal.Type != PrincipalType.AiSystem)
        {
            return null;
        }

        if (items > AiSystems.MaxItems)
        {
            throw Refusal.BatchTooLarge("items", $"must be at most {AiSystems.MaxItems} of an AI system, because each is recorded");
        }

        return call.Items = new ItemRecords(call, itemEvent, items);
    }

    /// <summary>The drafts, in the order of the items.</summary>
    public IReadOnlyList<AuditRecordDraft> All => _records;

    /// <summary>What became of the next item.</summary>
    /// <param name="context">Its effective context.</param>
    /// <param name="key">Name of its key; empty when it is not known to the caller.</param>
    /// <param name="bytes">Bytes of its plaintext.</param>
    /// <param name="reason">Why it has no data, a reason without "REASON_"; empty when it has.</param>
    public void Add(EncryptionContext context, string key, KeyVersionId? version, int bytes, string reason)
    {
        var of = call.Record;
        _records.Add(new AuditRecordDraft(itemEvent)
        {
            Outcome = reason.Length == 0 ? AuditOutcome.Success : AuditOutcome.Refused,
            Reason = reason,
            Principal = of.Principal,
            PrincipalType = of.PrincipalType,
            Authentication = of.Authentication,
            OnBehalfOf = of.OnBehalfOf,
            Source = of.Source,
            Device = of.Device,
            Key = key,
            KeyVersion = version,
            ContextDigest = call.DigestOf(context),
            ItemCount = 1,
            ByteCount = bytes,
            TraceId = of.TraceId,
            Automated = of.Automated,
            Detail = $"item {_records.Count} of {items}",
        });
    }
}
