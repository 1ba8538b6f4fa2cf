using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using CanonicalRecord = KeyService.Crypto.AuditRecord;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.Audit;

/// <summary>The RPC of audit.proto.</summary>
internal sealed class AuditService(AuditLog current, AccessRegister access) : Wire.Audit.AuditBase
{
    [Rpc(Permission.ReadAudit, AuditEvent.AuditTailClosed, Opened = AuditEvent.AuditTailOpened)]
    public override async Task Tail(TailRequest request, IServerStreamWriter<TailResponse> responseStream, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        var log = current.Pin();
        var last = log.LastSequence;
        var next = request.Start >= 0 ? request.Start : Math.Max(0, last + 1 + Math.Max(request.Start, -last - 1));
        while (true)
        {
            while (next <= last)
            {
                // Asked again for each page: who loses the permission while following reads no further.
                call.Authorize(keyName: null, context: null);
                next = await SendPageAsync(log, next, last, responseStream, call);
            }

            if (!request.Follow)
            {
                return;
            }

            last = await WaitForMoreAsync(log, Math.Max(last, next - 1), call);
        }
    }

    // A quiet stream asks again too when access changes, on this server or another.
    private async Task<long> WaitForMoreAsync(AuditLog log, long sequence, Call call)
    {
        while (true)
        {
            var changed = access.WaitForChangeAsync();
            call.Authorize(keyName: null, context: null);
            using var enough = CancellationTokenSource.CreateLinkedTokenSource(call.CancellationToken);
            var more = log.WaitForMoreAsync(sequence, enough.Token).AsTask();
            if (await Task.WhenAny(more, changed) == more)
            {
                return await more;
            }

            await enough.CancelAsync();
        }
    }

    private static async Task<long> SendPageAsync(AuditLog log, long next, long last, IServerStreamWriter<TailResponse> responses, Call call)
    {
        var page = await log.ReadAsync(next, last, call.CancellationToken);
        foreach (var entry in page)
        {
            // A gap would otherwise look like a log that never had these records.
            if (entry.Sequence != next)
            {
                break;
            }

            await responses.WriteAsync(new TailResponse { Record = ToMessage(log.Slot, entry) }, call.CancellationToken);
            call.Record.ItemCount++;
            next++;
        }

        return page.Count > 0 && page[^1].Sequence == next - 1
            ? next
            : throw new StoreTamperedException("audit_records", $"{log.Slot}/{next}", "the record is missing");
    }

    private static AuditRecord ToMessage(int slot, AuditLogEntry entry)
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
