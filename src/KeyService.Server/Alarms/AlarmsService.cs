using System.Globalization;
using Grpc.Core;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.Alarms;

/// <summary>RPCs of alarms.proto.</summary>
internal sealed class AlarmsService(AlarmBook book, PageTokens pageTokens, TimeProvider time) : Wire.Alarms.AlarmsBase
{
    private const int DefaultPageSize = 100;
    private const int MaxPageSize = 1000;
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(250);

    [Rpc(Permission.ReadAlarms, AuditEvent.AlarmsListed)]
    public override async Task<ListAlarmsResponse> ListAlarms(ListAlarmsRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        var size = request.PageSize switch
        {
            0 => DefaultPageSize,
            > 0 and <= MaxPageSize => request.PageSize,
            _ => throw Refusal.InvalidArgument("page_size", $"must be 1 to {MaxPageSize}, or 0 for {DefaultPageSize}"),
        };
        var filter = request.IncludeClosed ? "all" : "open";
        var after = await CursorAsync(filter, request.PageToken, call);
        if (after is null)
        {
            // Also that none is missing.
            await book.RefreshAsync(call.CancellationToken);
        }

        var page = await book.PageAsync(!request.IncludeClosed, after, size + 1, call.CancellationToken);
        var response = new ListAlarmsResponse
        {
            NextPageToken = page.Count > size ? await pageTokens.SealAsync(nameof(ListAlarms), filter, CursorOf(page[size - 1]), call.CancellationToken) : "",
        };
        response.Alarms.AddRange(page.Take(size).Select(AlarmMessages.ToMessage));
        call.Record.ItemCount = response.Alarms.Count;
        return response;
    }

    [Rpc(Permission.AcknowledgeAlarm, AuditEvent.AlarmAcknowledged)]
    public override Task<AcknowledgeAlarmResponse> AcknowledgeAlarm(AcknowledgeAlarmRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        var id = AlarmMessages.IdOf(request);
        var note = AlarmMessages.NoteOf(request);
        call.Record.Detail = $"{request.Id}: {note}";
        return call.MutateAsync(request.RequestId, request, async transaction =>
        {
            var alarm = await book.AcknowledgeAsync(transaction, id, request.Id, call.Principal.Name, note);
            call.Record.Key = AlarmKinds.ConcernsKey(alarm.Kind) ? alarm.Subject : "";
            call.Record.Detail = $"{alarm.IdText} {AlarmKinds.NameOf(alarm.Kind)} of {alarm.Subject}: {note}";
            return new AcknowledgeAlarmResponse { Alarm = alarm.ToMessage() };
        });
    }

    /// <remarks>Compares what is open four times a second with what was sent: one number, while nothing has changed.</remarks>
    [Rpc(Permission.ReadAlarms, AuditEvent.AlarmWatchClosed, Opened = AuditEvent.AlarmWatchOpened, Listens = true)]
    public override async Task WatchAlarms(
        WatchAlarmsRequest request, IServerStreamWriter<WatchAlarmsResponse> responseStream, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        await book.RefreshAsync(call.CancellationToken);
        var sent = new Dictionary<ulong, Alarm>();
        var version = await SendChangesAsync(sent, responseStream, call);
        await responseStream.WriteAsync(new WatchAlarmsResponse { CaughtUp = true }, call.CancellationToken);
        while (true)
        {
            await Task.Delay(Look, time, call.CancellationToken);
            // Asked again each time: who loses the permission hears no more.
            call.Authorize(keyName: null, context: null);
            if (book.View.Version != version)
            {
                version = await SendChangesAsync(sent, responseStream, call);
            }
        }
    }

    private async Task<long> SendChangesAsync(Dictionary<ulong, Alarm> sent, IServerStreamWriter<WatchAlarmsResponse> responses, Call call)
    {
        var version = book.View.Version;
        var open = book.View.Open();
        foreach (var alarm in open.Where(alarm => !sent.TryGetValue(alarm.Id, out var before) || before.Revision < alarm.Revision))
        {
            await SendAsync(alarm, responses, call);
            sent[alarm.Id] = alarm;
        }

        foreach (var id in sent.Keys.Except(open.Select(alarm => alarm.Id)).ToList())
        {
            sent.Remove(id);
            if (await book.FindAsync(id, call.CancellationToken) is { } closed)
            {
                await SendAsync(closed, responses, call);
            }
        }

        return version;
    }

    private static async Task SendAsync(Alarm alarm, IServerStreamWriter<WatchAlarmsResponse> responses, Call call)
    {
        await responses.WriteAsync(new WatchAlarmsResponse { Alarm = alarm.ToMessage() }, call.CancellationToken);
        call.Record.ItemCount++;
    }

    // The last alarm of the page before as it stood then: its place in the order must not move while pages are turned.
    private static string CursorOf(Alarm alarm) => string.Create(
        CultureInfo.InvariantCulture, $"{(int)alarm.Severity} {alarm.RaiseTime.UtcTicks} {alarm.IdText}");

    private async ValueTask<Alarm?> CursorAsync(string filter, string pageToken, Call call)
    {
        if (pageToken.Length == 0)
        {
            return null;
        }

        var cursor = await pageTokens.OpenAsync(nameof(ListAlarms), filter, pageToken, call.CancellationToken)
            ?? throw Refusal.InvalidArgument("page_token", "must be a token that this list answered for the same filter");
        var parts = cursor.Split(' ');
        var raised = new DateTimeOffset(long.Parse(parts[1], CultureInfo.InvariantCulture), TimeSpan.Zero);
        var condition = new AlarmCondition(default, "", "", (AlarmSeverity)int.Parse(parts[0], CultureInfo.InvariantCulture));
        return Alarm.New(ulong.Parse(parts[2], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture), condition, raised);
    }
}
