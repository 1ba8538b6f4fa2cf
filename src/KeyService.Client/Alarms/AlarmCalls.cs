using System.Runtime.CompilerServices;
using Grpc.Core;
using KeyService.Client.Internal;
using KeyService.Protocol.V1;

namespace KeyService.Client;

/// <summary>The calls of <c>keyservice.v1.Alarms</c>.</summary>
public sealed class AlarmCalls
{
    private readonly Alarms.AlarmsClient alarms;
    private readonly CallRunner runner;

    internal AlarmCalls(CallInvoker invoker, CallRunner runner)
    {
        alarms = new Alarms.AlarmsClient(invoker);
        this.runner = runner;
    }

    /// <summary>
    /// Open alarms, critical ones first and of each the oldest first, page by page; with <paramref name="includeClosed"/> all there ever
    /// were, the newest first.
    /// </summary>
    public IAsyncEnumerable<Alarm> ListAsync(bool includeClosed = false, CancellationToken cancellation = default) =>
        Pages.ItemsAsync(
            runner, (token, o) => alarms.ListAlarmsAsync(new ListAlarmsRequest { IncludeClosed = includeClosed, PageSize = Pages.Size, PageToken = token }, o),
            page => page.Alarms, page => page.NextPageToken, cancellation);

    /// <summary>Takes notice of an alarm, with a note of what is done about it.</summary>
    public async Task<Alarm> AcknowledgeAsync(string id, string note, string? requestId = null, CancellationToken cancellation = default)
    {
        var request = new AcknowledgeAlarmRequest { RequestId = RequestId.OrNew(requestId), Id = id, Note = note };
        return (await runner.UnaryAsync(o => alarms.AcknowledgeAlarmAsync(request, o), cancellation).ConfigureAwait(false)).Alarm;
    }

    /// <summary>
    /// Every open alarm, then null once, then each alarm as often as it changes; until cancelled.
    /// </summary>
    public async IAsyncEnumerable<Alarm?> WatchAsync([EnumeratorCancellation] CancellationToken cancellation = default)
    {
        using var call = alarms.WatchAlarms(new WatchAlarmsRequest(), new CallOptions(cancellationToken: cancellation));
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
            yield return call.ResponseStream.Current.Alarm;
        }
    }
}
