using System.Runtime.CompilerServices;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using KeyService.Client.Internal;
using KeyService.Protocol.V1;

namespace KeyService.Client;

/// <summary>The calls of <c>keyservice.v1.Evidence</c>.</summary>
public sealed class EvidenceCalls
{
    private readonly Evidence.EvidenceClient evidence;
    private readonly CallRunner runner;

    internal EvidenceCalls(CallInvoker invoker, CallRunner runner)
    {
        evidence = new Evidence.EvidenceClient(invoker);
        this.runner = runner;
    }

    /// <summary>Evidence of a range of time, file by file in parts of up to 64 KiB; the last file is "manifest", a signed note over the others.</summary>
    /// <param name="from">First instant, in whole seconds.</param>
    /// <param name="until">First instant after, in whole seconds, not in the future.</param>
    /// <param name="log">The caller adds the audit log to the pack: up to the checkpoint of "audit/checkpoint", as far as "audit/reach.csv" says.</param>
    /// <param name="cancellation">Ends it.</param>
    public async IAsyncEnumerable<ExportEvidenceResponse> ExportAsync(
        DateTimeOffset from, DateTimeOffset until, bool log = false, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        var request = new ExportEvidenceRequest { StartTime = Timestamp.FromDateTimeOffset(from), EndTime = Timestamp.FromDateTimeOffset(until), Log = log };
        using var call = evidence.ExportEvidence(request, new CallOptions(cancellationToken: cancellation));
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
