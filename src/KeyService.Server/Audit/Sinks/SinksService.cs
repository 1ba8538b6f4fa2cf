using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Pipeline;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.Audit.Sinks;

/// <summary>RPCs of sinks.proto.</summary>
internal sealed class SinksService(SinkWorker worker) : Wire.AuditSinks.AuditSinksBase
{
    [Rpc(Permission.ReadAudit, AuditEvent.AuditSinksListed)]
    public override async Task<ListSinksResponse> ListSinks(ListSinksRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        var response = new ListSinksResponse();
        response.Sinks.AddRange((await worker.StatusAsync(call.CancellationToken)).Select(each => MessageOf(each.Sink, each.Status)));
        call.Record.ItemCount = response.Sinks.Count;
        return response;
    }

    private static AuditSink MessageOf(SinkConfiguration sink, SinkStatus status)
    {
        var message = new AuditSink
        {
            Name = sink.Name,
            Kind = sink.Kind,
            Target = sink.Target,
            State = status.Row.FailingSince is null ? AuditSinkState.Delivering : AuditSinkState.Failing,
            LagRecords = status.LagRecords,
            OldestMissingTime = status.OldestMissing?.ToTimestamp(),
            ConfirmTime = status.Row.ConfirmedAt?.ToTimestamp(),
            FailingSince = status.Row.FailingSince?.ToTimestamp(),
            LastError = status.Row.Error,
            Here = status.Here,
        };
        message.Positions.AddRange(status.Row.Next.OrderBy(each => each.Key)
            .Select(each => new AuditSinkPosition { LogSlot = each.Key, NextSequence = each.Value }));
        return message;
    }
}
