using Grpc.Core;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Audit.Search;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.Audit;

/// <summary>RPCs of audit.proto.</summary>
internal sealed class AuditService(
    AuditLog current, AccessRegister access, AuditSearch search, ContextDigests contexts, PageTokens pageTokens)
    : Wire.Audit.AuditBase
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
