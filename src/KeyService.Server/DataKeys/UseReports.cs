using System.Globalization;
using System.Text;
using Google.Protobuf;
using Google.Protobuf.Collections;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Keys;
using KeyService.Server.Pipeline;
using KeyVersion = KeyService.Server.Keys.KeyVersion;

namespace KeyService.Server.DataKeys;

/// <summary>Use counts that callers report of data keys in their own processes, made a record of the audit log.</summary>
internal sealed class UseReports(KeyRing keys, AccessRegister access)
{
    private const int MaxUses = 32;
    private const int DataKeyIdLength = 16;

    /// <summary>Checks a report. What it returns puts the counts into the call's record: only where the report counts, not for a repeated one.</summary>
    /// <exception cref="Refusal">INVALID_ARGUMENT, BATCH_TOO_LARGE; ACCESS_DENIED for a version that the caller never had a grant for.</exception>
    public async Task<Action> CheckAsync(ReportUseRequest request, Call call)
    {
        var id = HeldLease.RequireVersion(request.KeyVersion, "key_version");
        Check(request.Uses);
        if (await keys.FindVersionAsync(id, call.CancellationToken) is not { } version || !EverHadUseOf(version, call))
        {
            throw Refusal.AccessDenied();
        }

        call.Authorize(version.KeyName, context: null);
        call.Record.KeyVersion = id;
        keys.Uses.Note(id);
        return () => Enter(request, call.Record);
    }

    private static void Enter(ReportUseRequest request, AuditRecordDraft record)
    {
        record.ItemCount = Sum(request.Uses, use => (Int128)use.EncryptedMessages + use.DecryptedMessages);
        record.ByteCount = Sum(request.Uses, use => (Int128)use.EncryptedBytes + use.DecryptedBytes);
        if (request.Uses.Any(use => use.GraceMessages > 0))
        {
            record.Event = AuditEvent.DataKeyGraceUseReported;
        }

        record.Detail = Describe(request.Uses);
    }

    // The last report of a lease comes after its grant was revoked, so grants that allow nothing any more count here; they give nothing else.
    private bool EverHadUseOf(KeyVersion version, Call call) => access.Current.GrantsOf(call.Principal.Name).Any(grant =>
        grant.KeyPattern.Covers(version.KeyName) && grant.Permissions.Any(Permissions.HandsOutDataKeys));

    private static void Check(RepeatedField<DataKeyUsage> uses)
    {
        if (uses.Count is 0 or > MaxUses)
        {
            throw uses.Count == 0 ? Refusal.InvalidArgument("uses", "must be 1 to 32") : Refusal.BatchTooLarge("uses", "must be 1 to 32");
        }

        var seen = new HashSet<ByteString>();
        for (var i = 0; i < uses.Count; i++)
        {
            var use = uses[i];
            if (use.DataKeyId.Length != DataKeyIdLength || !seen.Add(use.DataKeyId))
            {
                throw Refusal.InvalidArgument($"uses[{i}].data_key_id", "must be 16 bytes, no data key twice");
            }

            if (long.Min(
                    long.Min(long.Min(use.EncryptedMessages, use.EncryptedBytes), long.Min(use.DecryptedMessages, use.DecryptedBytes)),
                    long.Min(use.GraceMessages, use.GraceMilliseconds)) < 0)
            {
                throw Refusal.InvalidArgument($"uses[{i}]", "counts nothing below 0");
            }
        }
    }

    // Counts are the caller's word: a sum that does not fit is as large as fits, and no defect of ours.
    private static long Sum(IReadOnlyList<DataKeyUsage> uses, Func<DataKeyUsage, Int128> count)
    {
        Int128 sum = 0;
        foreach (var use in uses)
        {
            sum += count(use);
        }

        return (long)Int128.Min(sum, long.MaxValue);
    }

    // "DATAKEY enc 12/3400 dec 5/700 grace 3/1500ms": messages/bytes, 32 of them within the 4,096 bytes of a detail.
    private static string Describe(IReadOnlyList<DataKeyUsage> uses)
    {
        var text = new StringBuilder();
        foreach (var use in uses)
        {
            var one = string.Create(
                CultureInfo.InvariantCulture,
                $"{Convert.ToHexStringLower(use.DataKeyId.Span)} enc {use.EncryptedMessages}/{use.EncryptedBytes} dec {use.DecryptedMessages}/{use.DecryptedBytes}");
            if (use.GraceMessages > 0)
            {
                one += string.Create(CultureInfo.InvariantCulture, $" grace {use.GraceMessages}/{use.GraceMilliseconds}ms");
            }

            if (text.Length + one.Length + 2 > Crypto.AuditRecord.MaxDetailLength - 4)
            {
                return text.Append("; ...").ToString();
            }

            text.Append(text.Length == 0 ? "" : "; ").Append(one);
        }

        return text.ToString();
    }
}
