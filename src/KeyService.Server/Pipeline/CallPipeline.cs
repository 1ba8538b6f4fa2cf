using Grpc.Core;
using Grpc.Core.Interceptors;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Hosting;
using KeyService.Server.Keys;

namespace KeyService.Server.Pipeline;

/// <summary>
/// Second half of the way of a call: the implementation runs, its record is made durable, then the answer leaves. All four
/// kinds of call; what goes wrong becomes a status with a reason and is recorded as well.
/// </summary>
internal sealed class CallPipeline(
    CallRecorder recorder, LimitsConfiguration limits, TimeProvider time, IHostApplicationLifetime lifetime, CallLog log,
    AccessRegister access, KeyUseMeter? uses = null, QuotaBook? quotas = null) : Interceptor
{
    /// <summary>Trailer of an answer that was given under a compromised key version (docs/spec/calls.md).</summary>
    public const string WarningTrailer = "keyservice-warning";

    public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        if (IsOutside(context))
            return await continuation(request, context);
        var call = Enter(context);
        TResponse response;
        try
        {
            response = await continuation(request, context);
            call.DemandAuthorized();
            await SettleAsync(call);
            if (call.Items is { } items)
                await Task.WhenAll(items.All.Select(item => recorder.RecordAsync(item, call.Started)));
        }
        catch (Exception exception)
        {
            throw await FailAsync(call, context, exception, idle: null);
        }
        await SucceedAsync(call, context);
        return response;
    }

    public override async Task<TResponse> ClientStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, ServerCallContext context,
        ClientStreamingServerMethod<TRequest, TResponse> continuation)
    {
        var call = Enter(context);
        await using var idle = new IdleWatch(limits, time, call.CancellationToken);
        await using var watch = new AccessWatch(access, call, idle, time);
        call.CancellationToken = idle.Token;
        call.EndStream = idle.End;
        TResponse response;
        try
        {
            response = await continuation(new WatchedReader<TRequest>(requestStream, idle), context);
            call.DemandAuthorized();
            await SettleAsync(call);
        }
        catch (Exception exception)
        {
            throw await FailAsync(call, context, exception, idle);
        }
        await SucceedAsync(call, context);
        return response;
    }

    public override Task ServerStreamingServerHandler<TRequest, TResponse>(
        TRequest request, IServerStreamWriter<TResponse> responseStream, ServerCallContext context,
        ServerStreamingServerMethod<TRequest, TResponse> continuation) =>
        IsOutside(context)
            ? continuation(request, responseStream, context)
            : StreamAsync(context, responseStream, endsAtShutdown: true, (_, writer) => continuation(request, writer, context));

    public override Task DuplexStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, IServerStreamWriter<TResponse> responseStream, ServerCallContext context,
        DuplexStreamingServerMethod<TRequest, TResponse> continuation) =>
        IsOutside(context)
            ? continuation(requestStream, responseStream, context)
            : StreamAsync(context, responseStream, endsAtShutdown: false,
                (idle, writer) => continuation(new WatchedReader<TRequest>(requestStream, idle), writer, context));

    private async Task StreamAsync<TResponse>(
        ServerCallContext context, IServerStreamWriter<TResponse> responses, bool endsAtShutdown,
        Func<IdleWatch, IServerStreamWriter<TResponse>, Task> run)
    {
        var call = Enter(context);
        await using var idle = new IdleWatch(limits, time, call.CancellationToken, endsAtShutdown ? lifetime.ApplicationStopping : default);
        await using var watch = new AccessWatch(access, call, idle, time);
        call.CancellationToken = idle.Token;
        call.EndStream = idle.End;
        try
        {
            await run(idle, new RecordedWriter<TResponse>(responses, call, recorder, idle, new CallCharge(call, quotas)));
            call.DemandAuthorized();
        }
        catch (Exception exception)
        {
            throw await FailAsync(call, context, exception, idle);
        }
        await SucceedAsync(call, context);
    }

    private ValueTask SettleAsync(Call call) => call.Counted.Count == 0 ? ValueTask.CompletedTask : new CallCharge(call, quotas).SettleAsync();

    // Health and reflection: no call of the service, so neither authorised nor recorded.
    private static bool IsOutside(ServerCallContext context) =>
        context.GetHttpContext().GetEndpoint()?.Metadata.GetMetadata<OutsideAuditAttribute>() is not null;

    private static Call Enter(ServerCallContext context)
    {
        var call = Call.Of(context);
        call.CancellationToken = context.CancellationToken;
        return call;
    }

    private async Task SucceedAsync(Call call, ServerCallContext context)
    {
        call.Concluded = true;
        if (call.Warning is { } warning)
        {
            call.Record.Detail = call.Record.Detail.Length == 0 ? warning : $"{call.Record.Detail}; {warning}";
            context.ResponseTrailers.Add(WarningTrailer, warning);
        }
        if (call.Recorded)
            return;
        try
        {
            await recorder.RecordAsync(call.Record, call.Started);
            uses?.Count(call.Record);
        }
        catch (Refusal unrecorded)
        {
            log.NotRecorded(call.TraceId, unrecorded);
            throw unrecorded.ToRpcException();
        }
    }

    private async Task<RpcException> FailAsync(Call call, ServerCallContext context, Exception exception, IdleWatch? idle)
    {
        call.Concluded = true;
        var failure = Failure.Of(idle?.Ended ?? exception, call.TraceId, CutOff(context));
        if (failure.IsDefect)
            log.Defect(call.Method, call.TraceId, exception);
        else if (failure.Outcome == AuditOutcome.Failed)
            log.Failed(call.Method, failure.ReasonName, call.TraceId, exception);
        else
            log.Refused(call.Method, failure.ReasonName, call.TraceId);
        if (call.RefusalRecorded)
            return failure.Answer;
        call.Record.Outcome = failure.Outcome;
        call.Record.Reason = failure.ReasonName;
        try
        {
            await recorder.RecordAsync(call.Record, call.Started);
        }
        catch (Refusal unrecorded)
        {
            log.NotRecorded(call.TraceId, unrecorded);
            return unrecorded.ToRpcException();
        }
        return failure.Answer;
    }

    /// <summary>
    /// A client's deadline begins before its request is on its way, so its reset comes a little before the deadline as it stands here. For the record, that
    /// reset is the deadline.
    /// </summary>
    private static readonly TimeSpan DeadlineSlack = TimeSpan.FromMilliseconds(100);

    private StatusCode? CutOff(ServerCallContext context)
    {
        if (!context.CancellationToken.IsCancellationRequested)
            return null;
        return context.Deadline - DeadlineSlack <= time.GetUtcNow().UtcDateTime ? StatusCode.DeadlineExceeded : StatusCode.Cancelled;
    }
}
