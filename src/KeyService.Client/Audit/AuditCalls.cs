using System.Runtime.CompilerServices;
using Grpc.Core;
using KeyService.Client.Internal;
using KeyService.Protocol.V1;

namespace KeyService.Client;

/// <summary>The calls of <c>keyservice.v1.Audit</c>.</summary>
public sealed class AuditCalls
{
    // The service reads the log's hashes up to the record.
    private static readonly TimeSpan ProofTimeout = TimeSpan.FromMinutes(5);

    private readonly Audit.AuditClient audit;
    private readonly AuditSinks.AuditSinksClient sinks;
    private readonly CallRunner runner;

    internal AuditCalls(CallInvoker invoker, CallRunner runner)
    {
        audit = new Audit.AuditClient(invoker);
        sinks = new AuditSinks.AuditSinksClient(invoker);
        this.runner = runner;
    }

    /// <summary>Records that have everything that <paramref name="question"/> asks for, the latest first, page by page.</summary>
    /// <param name="question">Its page size and token are not looked at.</param>
    /// <param name="cancellation">Ends it.</param>
    public IAsyncEnumerable<AuditRecord> SearchAsync(SearchRequest question, CancellationToken cancellation = default) =>
        Pages.ItemsAsync(
            runner,
            (token, o) => audit.SearchAsync(new SearchRequest(question) { PageSize = Pages.Size, PageToken = token }, o),
            page => page.Records, page => page.NextPageToken, cancellation);

    /// <summary>Where the log is delivered to besides the store, and how each of these sinks stands.</summary>
    public async Task<IReadOnlyList<AuditSink>> SinksAsync(CancellationToken cancellation = default) =>
        (await runner.UnaryAsync(o => sinks.ListSinksAsync(new ListSinksRequest(), o), cancellation).ConfigureAwait(false)).Sinks;

    /// <summary>
    /// Records in order from <paramref name="start"/> (negative counts from the end); with <paramref name="follow"/> until cancelled.
    /// </summary>
    public async IAsyncEnumerable<AuditRecord> TailAsync(
        long start, bool follow, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        using var call = audit.Tail(new TailRequest { Start = start, Follow = follow }, new CallOptions(cancellationToken: cancellation));
        while (true)
        {
            try
            {
                if (!await call.ResponseStream.MoveNext(cancellation).ConfigureAwait(false))
                {
                    yield break;
                }
            }
            catch (RpcException e)
            {
                throw FaultDecoder.Decode(e, runner.Endpoint, cancellation);
            }
            yield return call.ResponseStream.Current.Record;
        }
    }

    /// <summary>Public keys of the logs, oldest first, and the newest signed checkpoint of the directory.</summary>
    public Task<GetLogKeysResponse> LogKeysAsync(CancellationToken cancellation = default) =>
        runner.UnaryAsync(o => audit.GetLogKeysAsync(new GetLogKeysRequest(), o), cancellation);

    /// <summary>Has another key sign checkpoints from now on.</summary>
    /// <param name="requestId">A UUID; null: one of its own.</param>
    /// <param name="cancellation">Ends it.</param>
    public Task<RotateLogKeyResponse> RotateKeyAsync(string? requestId = null, CancellationToken cancellation = default)
    {
        var request = new RotateLogKeyRequest { RequestId = RequestId.OrNew(requestId) };
        return runner.UnaryAsync(o => audit.RotateLogKeyAsync(request, o), cancellation);
    }

    /// <summary>That a record stands in its log.</summary>
    public Task<ProveRecordResponse> ProveAsync(int slot, long sequence, CancellationToken cancellation = default) =>
        runner.UnaryAsync(o => audit.ProveRecordAsync(new ProveRecordRequest { LogSlot = slot, Sequence = sequence }, o), cancellation, ProofTimeout);

    /// <summary>The entries of one log up to a signed checkpoint, which stands in the first answer.</summary>
    public async IAsyncEnumerable<ExportLogResponse> ExportLogAsync(
        ExportLogRequest request, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        using var call = audit.ExportLog(request, new CallOptions(cancellationToken: cancellation));
        while (true)
        {
            try
            {
                if (!await call.ResponseStream.MoveNext(cancellation).ConfigureAwait(false))
                {
                    yield break;
                }
            }
            catch (RpcException e)
            {
                throw FaultDecoder.Decode(e, runner.Endpoint, cancellation);
            }
            yield return call.ResponseStream.Current;
        }
    }
}
