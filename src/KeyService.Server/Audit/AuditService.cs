using Google.Protobuf;
using Grpc.Core;
using KeyService.Crypto.Logs;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Audit.Export;
using KeyService.Server.Audit.Retention;
using KeyService.Server.Audit.Search;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.Audit;

/// <summary>RPCs of audit.proto.</summary>
internal sealed class AuditService(
    AuditLog current, IStore store, Checkpoints checkpoints, CheckpointWorker worker, Cosignatures cosignatures, AccessRegister access, AuditSearch search, AuditRetention retention, RecordProving proving, ContextDigests contexts,
    PageTokens pageTokens)
    : Wire.Audit.AuditBase
{
    // Of one answer of an export; a single record may be longer.
    private const int AnswerBytes = 512 * 1024;

    [Rpc(Permission.ReadAudit, AuditEvent.AuditTailClosed, Opened = AuditEvent.AuditTailOpened)]
    public override async Task Tail(TailRequest request, IServerStreamWriter<TailResponse> responseStream, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        var log = current.Pin();
        var last = log.LastSequence;
        var first = await retention.ReadStartAsync(log.Slot, call.CancellationToken);
        var next = Math.Max(first, request.Start >= 0 ? request.Start : last + 1 + Math.Max(request.Start, -last - 1));
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

    [Rpc(Permission.ReadAudit, AuditEvent.AuditSearched)]
    public override async Task<SearchResponse> Search(SearchRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        var question = AuditSearchMessages.Of(request, contexts);
        call.Record.Detail = question.Text;
        var below = request.PageToken.Length == 0
            ? null
            : AuditSearchMessages.PlacesOf(await pageTokens.OpenAsync(nameof(Search), question.Text, request.PageToken, call.CancellationToken));
        var page = await search.PageAsync(question.Query, below, question.PageSize, call.CancellationToken);
        var response = new SearchResponse
        {
            NextPageToken = page.IsLast
                ? ""
                : await pageTokens.SealAsync(nameof(Search), question.Text, AuditSearchMessages.TextOf(page.Below), call.CancellationToken),
        };
        response.Records.AddRange(page.Hits.Select(hit => AuditMessages.ToMessage(hit.Slot, hit.Entry)));
        call.Record.ItemCount = response.Records.Count;
        return response;
    }

    [Rpc(Permission.ReadAudit, AuditEvent.AuditLogKeysRead)]
    public override async Task<GetLogKeysResponse> GetLogKeys(GetLogKeysRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        var newest = await new LogExport(store, SignedLog.Directory).CheckpointAsync(0, long.MaxValue, call.CancellationToken);
        var response = new GetLogKeysResponse
        {
            DirectoryCheckpoint = newest is { } found ? await CosignedAsync(found, call) : ByteString.Empty,
            WitnessedCheckpoint = await WitnessedAsync(long.MaxValue, call),
        };
        var (keys, places) = await checkpoints.VerifiersAsync(call.CancellationToken);
        response.VerifierKeys.AddRange(keys.Select(key => $"{key}"));
        foreach (var place in places)
        {
            response.Successions.Add(UnsafeByteOperations.UnsafeWrap(
                (await new LogExport(store, SignedLog.Directory).FirstCoveringAsync(place, call.CancellationToken))?.Note
                ?? throw new StoreTamperedException("audit_checkpoints", $"{place}", "no checkpoint covers the key's entry")));
        }

        return response;
    }

    [Rpc(Permission.ExportAudit, AuditEvent.AuditExportClosed, Opened = AuditEvent.AuditExportOpened, StepUp = true)]
    public override async Task ExportLog(ExportLogRequest request, IServerStreamWriter<ExportLogResponse> responseStream, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        var log = Checked(request);
        var before = request.EndTime is null ? long.MaxValue : UnixTime.Nanoseconds(request.EndTime.ToDateTimeOffset());
        var export = new LogExport(store, log);
        var (size, note) = await export.CheckpointAsync(request.Size, before, call.CancellationToken)
            ?? throw Refusal.NotFound("A signed checkpoint of that log, size and time");
        if (request.Start > size)
        {
            throw Refusal.InvalidArgument("start", $"is at most the checkpoint's size, {size}");
        }

        var kept = log == SignedLog.Directory ? new MerkleFrontier() : await retention.ReadStartTreeAsync(log, call.CancellationToken);
        if (request.Start < kept.Size)
        {
            throw new Refusal(
                Reason.NotFound, $"Records of slot {log} before number {kept.Size} were deleted after their years of retention; export with --since a later time. Their archives hold them.");
        }

        call.Record.Detail = $"{(log == SignedLog.Directory ? "directory" : $"slot {log}")}, entries {request.Start} to {size}";
        var answer = new ExportLogResponse
        {
            Checkpoint = log == SignedLog.Directory ? await CosignedAsync((size, note), call) : UnsafeByteOperations.UnsafeWrap(note),
            WitnessedCheckpoint = log == SignedLog.Directory ? await WitnessedAsync(size, call) : ByteString.Empty,
            Before = request.Start == 0
                ? ByteString.Empty
                : UnsafeByteOperations.UnsafeWrap((await export.BeforeAsync(request.Start, kept, call.CancellationToken)).ToArray()),
        };
        await foreach (var page in export.PagesAsync(request.Start, size, call.CancellationToken))
        {
            // Asked again for each page: who loses the permission meanwhile gets no more.
            call.Authorize(keyName: null, context: null);
            var bytes = 0;
            foreach (var entry in page)
            {
                answer.Entries.Add(UnsafeByteOperations.UnsafeWrap(entry));
                call.Record.ItemCount++;
                if ((bytes += entry.Length) >= AnswerBytes)
                {
                    await responseStream.WriteAsync(answer, call.CancellationToken);
                    (answer, bytes) = (new ExportLogResponse(), 0);
                }
            }

            await responseStream.WriteAsync(answer, call.CancellationToken);
            answer = new ExportLogResponse();
        }

        if (answer.Checkpoint.Length > 0)
        {
            await responseStream.WriteAsync(answer, call.CancellationToken);
        }
    }

    [Rpc(Permission.ReadAudit, AuditEvent.AuditRecordProven)]
    public override async Task<ProveRecordResponse> ProveRecord(ProveRecordRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        if (request.LogSlot < 0 || request.Sequence < 0)
        {
            throw Refusal.InvalidArgument(request.LogSlot < 0 ? "log_slot" : "sequence", "is 0 or more");
        }

        call.Record.Detail = $"record {request.LogSlot}/{request.Sequence}";
        var (record, directory) = await proving.ProveAsync(request.LogSlot, request.Sequence, call.CancellationToken)
            ?? throw Refusal.NotFound("A signed checkpoint that covers that record");
        return new ProveRecordResponse { Proof = UnsafeByteOperations.UnsafeWrap(record.ToArray()), DirectoryProof = UnsafeByteOperations.UnsafeWrap(directory.ToArray()) };
    }

    [Rpc(Permission.RotateAuditKey, AuditEvent.AuditKeyRotated, StepUp = true)]
    public override async Task<RotateLogKeyResponse> RotateLogKey(RotateLogKeyRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        var next = await checkpoints.NextKeyAsync(call.CancellationToken);
        var response = await call.MutateAsync(request.RequestId, request, async transaction =>
        {
            if (next is null)
            {
                throw Refusal.AlreadyExists("A key that is to sign next, and is not signed yet: it");
            }

            await Checkpoints.AppendSuccessorAsync(transaction, next);
            call.Record.Detail = $"key {next.Number + 1}: {next.Key}";
            return new RotateLogKeyResponse { VerifierKey = $"{next.Key}" };
        });
        worker.SignSoon();
        return response;
    }

    private async Task<ByteString> CosignedAsync((long Size, byte[] Note) checkpoint, Call call) => SignedNote.TryParse(checkpoint.Note, out var note)
        ? UnsafeByteOperations.UnsafeWrap((await cosignatures.WithAsync(checkpoint.Size, note!, call.CancellationToken)).ToArray())
        : UnsafeByteOperations.UnsafeWrap(checkpoint.Note);

    private async Task<ByteString> WitnessedAsync(long most, Call call) =>
        await cosignatures.WitnessedAsync(most, call.CancellationToken) is { } found ? UnsafeByteOperations.UnsafeWrap(found.Note) : ByteString.Empty;

    private static int Checked(ExportLogRequest request)
    {
        if (request.LogSlot < 0)
        {
            throw Refusal.InvalidArgument("log_slot", "is 0 or more");
        }

        if (request.Size < 0)
        {
            throw Refusal.InvalidArgument("size", "is 0 or more");
        }

        if (request.Start < 0 || request.Start % LogTiles.Width != 0)
        {
            throw Refusal.InvalidArgument("start", $"is a multiple of {LogTiles.Width}");
        }

        return request.Directory ? SignedLog.Directory : request.LogSlot;
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

            await responses.WriteAsync(new TailResponse { Record = AuditMessages.ToMessage(log.Slot, entry) }, call.CancellationToken);
            call.Record.ItemCount++;
            next++;
        }

        return page.Count > 0 && page[^1].Sequence == next - 1
            ? next
            : throw new StoreTamperedException("audit_records", $"{log.Slot}/{next}", "the record is missing");
    }
}
