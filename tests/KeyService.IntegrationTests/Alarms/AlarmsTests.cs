using Grpc.Core;
using KeyService.IntegrationTests.Service;
using KeyService.IntegrationTests.Telemetry;
using KeyService.Protocol.V1;
using Wire = KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.Alarms;

/// <summary>RPCs of alarms.proto on the real server.</summary>
public sealed class AlarmsTests
{
    [Fact]
    public async Task An_alarm_is_listed_watched_acknowledged_and_survives_the_servers_death()
    {
        await using var service = await AlarmService.StartAsync();
        using var administrator = service.ConnectAs("administrator");
        var client = new Wire.Alarms.AlarmsClient(administrator);
        using var limit = new CancellationTokenSource(Command.Limit);
        using var watch = client.WatchAlarms(new WatchAlarmsRequest(), cancellationToken: limit.Token);
        Assert.True(await watch.ResponseStream.MoveNext(limit.Token));
        Assert.Equal(new WatchAlarmsResponse { CaughtUp = true }, watch.ResponseStream.Current);

        await AlarmService.CallWithCertificateAsync(service, "ending", days: 20);
        Assert.True(await watch.ResponseStream.MoveNext(limit.Token));
        var alarm = watch.ResponseStream.Current.Alarm;
        Assert.Equal((AlarmService.Kind, "principal ending", AlarmSeverity.Warning, true, 1L), (alarm.Kind, alarm.Subject, alarm.Severity, alarm.Open, alarm.Revision));
        Assert.Equal(alarm, Assert.Single(await AlarmService.ListAsync(service)));

        // Somebody without the permission, a note that says nothing, an alarm that is not there.
        using (var other = service.ConnectAs("ending"))
        {
            await Calls.RefusedAsync(Reason.AccessDenied, new Wire.Alarms.AlarmsClient(other).ListAlarmsAsync(new ListAlarmsRequest()));
            await Calls.RefusedAsync(Reason.AccessDenied, new Wire.Alarms.AlarmsClient(other).AcknowledgeAlarmAsync(
                new AcknowledgeAlarmRequest { RequestId = Calls.NewRequestId(), Id = alarm.Id, Note = "mine" }));
        }
        foreach (var note in new[] { "", "  ", "two\nlines", new string('x', 1025) })
        {
            await Calls.RefusedAsync(Reason.InvalidArgument, client.AcknowledgeAlarmAsync(
                new AcknowledgeAlarmRequest { RequestId = Calls.NewRequestId(), Id = alarm.Id, Note = note }));
        }
        await Calls.RefusedAsync(Reason.InvalidArgument, client.AcknowledgeAlarmAsync(
            new AcknowledgeAlarmRequest { RequestId = Calls.NewRequestId(), Id = "1", Note = "n" }));
        await Calls.RefusedAsync(Reason.NotFound, client.AcknowledgeAlarmAsync(
            new AcknowledgeAlarmRequest { RequestId = Calls.NewRequestId(), Id = "0123456789abcdef", Note = "n" }));

        await service.CrashAsync();
        await service.StartAsync();
        Assert.Equal(alarm, Assert.Single(await AlarmService.ListAsync(service)));
        Assert.DoesNotContain("store-tampered", service.ServerLog, StringComparison.Ordinal);

        var requestId = Calls.NewRequestId();
        var acknowledged = await AlarmService.AcknowledgeAsync(service, alarm.Id, "renewal ordered", requestId);
        Assert.Equal(("administrator", "renewal ordered", true), (acknowledged.AcknowledgedBy, acknowledged.AcknowledgeNote, acknowledged.Open));
        Assert.Equal(acknowledged, await AlarmService.AcknowledgeAsync(service, alarm.Id, "renewal ordered", requestId));
        Assert.Equal(acknowledged.Revision, (await AlarmService.AcknowledgeAsync(service, alarm.Id, "again")).Revision);

        // A renewed certificate: the condition is over, and with the acknowledgement before the alarm is closed.
        await AlarmService.CallWithCertificateAsync(service, "ending", days: 365, register: false);
        var closed = await AlarmService.WaitForAsync(service, "principal ending", each => !each.Open);
        Assert.Equal((alarm.Id, true), (closed.Id, closed.ClearTime is not null));
        Assert.Empty(await AlarmService.ListAsync(service));
    }

    [Fact]
    public async Task Pages_go_on_where_the_one_before_ended_and_belong_to_their_list()
    {
        await using var service = await AlarmService.StartAsync();
        for (var i = 0; i < 3; i++)
        {
            await AlarmService.CallWithCertificateAsync(service, $"ending{i}", days: 20);
            await AlarmService.WaitForAsync(service, $"principal ending{i}");
        }
        using var administrator = service.ConnectAs("administrator");
        var client = new Wire.Alarms.AlarmsClient(administrator);
        foreach (var (includeClosed, expected) in new[] { (false, "012"), (true, "210") })
        {
            var subjects = "";
            var token = "";
            do
            {
                var page = await client.ListAlarmsAsync(new ListAlarmsRequest { IncludeClosed = includeClosed, PageSize = 1, PageToken = token });
                subjects += string.Concat(page.Alarms.Select(alarm => alarm.Subject[^1]));
                token = page.NextPageToken;
            }
            while (token.Length > 0);
            Assert.Equal(expected, subjects);
        }
        var first = await client.ListAlarmsAsync(new ListAlarmsRequest { PageSize = 1 });
        await Calls.RefusedAsync(Reason.InvalidArgument, client.ListAlarmsAsync(new ListAlarmsRequest { IncludeClosed = true, PageToken = first.NextPageToken }));
        await Calls.RefusedAsync(Reason.InvalidArgument, client.ListAlarmsAsync(new ListAlarmsRequest { PageSize = 1001 }));
    }

    [Fact]
    public async Task An_alarm_is_a_log_record_and_a_gauge_over_OTLP()
    {
        await using var receiver = await OtlpReceiver.StartAsync();
        await using var service = await AlarmService.StartAsync(config => config["telemetry"] = new Dictionary<string, object?>
        {
            ["otlpEndpoint"] = receiver.GrpcEndpoint,
            ["metricSeconds"] = 1,
        });
        await AlarmService.CallWithCertificateAsync(service, "ending", days: 20);
        var alarm = await AlarmService.WaitForAsync(service, "principal ending");
        Assert.Equal(0, await service.StopAsync());

        var log = Assert.Single(receiver.Logs, log => log.Body.StartsWith("Alarm certificate-expiring of principal ending: ", StringComparison.Ordinal));
        Assert.Equal(
            (AlarmService.Kind, "principal ending", "Warning", alarm.Id),
            (log.Attributes["Kind"], log.Attributes["Subject"], log.Attributes["Severity"], log.Attributes["AlarmId"]));
        Assert.Contains(receiver.Metrics, metric => metric.Name == "keyservice.alarms.open"
            && metric.Attributes["kind"] == AlarmService.Kind && metric.Attributes["severity"] == "warning");
    }
}
