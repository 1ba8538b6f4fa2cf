using System.Text.RegularExpressions;
using KeyService.IntegrationTests.Alarms;
using KeyService.IntegrationTests.BadDays;
using KeyService.Protocol.V1;
using Microsoft.AspNetCore.Http;

namespace KeyService.IntegrationTests.Sinks;

/// <summary>The audit log of the real server in its sinks: real rsyslog, a collector over HTTP, files; each broken and mended.</summary>
public sealed class SinkTests : IDisposable
{
    private readonly string directory = Directory.CreateTempSubdirectory("keyservice-sinks-").FullName;

    public void Dispose() => Directory.Delete(directory, recursive: true);

    [Theory]
    [InlineData("ossl")]
    [InlineData("gtls")]
    public async Task Rsyslog_gets_every_record_by_mutual_TLS_and_after_it_was_killed_what_it_lacks(string driver)
    {
        await using var rsyslog = await RsyslogServer.StartAsync(directory, driver);
        await using var service = await AlarmService.StartAsync(configuration => configuration["sinks"] = new Dictionary<string, object?>
        {
            ["syslog"] = new[]
            {
                new Dictionary<string, object?>
                {
                    ["name"] = "siem", ["host"] = "127.0.0.1", ["serverName"] = "localhost", ["port"] = rsyslog.Port, ["ca"] = rsyslog.CaPath,
                    ["certificate"] = rsyslog.CertificatePath, ["privateKey"] = rsyslog.PrivateKeyPath,
                    // With GnuTLS it sends no close_notify.
                    ["confirmation"] = driver == "gtls" ? "tcp-end" : "close-notify",
                },
            },
        });
        await WhoAmIAsync(service, 20);
        await Until.TrueAsync(() => Lines(rsyslog, "own-access-read").Count >= 20, $"rsyslog has every record: {rsyslog}");
        var line = Lines(rsyslog, "own-access-read")[0];
        Assert.Equal("110", line[0]);
        Assert.Contains(" principal=\"administrator\"", line[4], StringComparison.Ordinal);

        // What it had in memory is gone with it; nobody vouched for that.
        await rsyslog.StopAsync(kill: true);
        await WhoAmIAsync(service, 20);
        await Until.TrueAsync(async () => (await SinkAsync(service)).State == AuditSinkState.Failing, "the sink fails");
        var failing = await SinkAsync(service);
        Assert.Contains($"127.0.0.1:{rsyslog.Port}", failing.LastError, StringComparison.Ordinal);
        Assert.True(failing.LagRecords > 0);

        await rsyslog.StartAsync();
        await Until.TrueAsync(async () => (await SinkAsync(service)).State == AuditSinkState.Delivering, "it recovers by itself");
        await Until.TrueAsync(() => Lines(rsyslog, "own-access-read").Select(SequenceOf).Distinct().Count() >= 40, "it has what it lacked");
        Assert.True((await SinkAsync(service)).Positions[0].NextSequence > 40);
        await service.StopAsync();
        // In an orderly stop the last connection ends in order: everything before it is there, without a gap, in order.
        var sequences = rsyslog.Lines.Select(SequenceOf).Distinct().ToList();
        Assert.Equal(Enumerable.Range(0, sequences.Count).Select(each => (long)each), sequences.Order());
    }

    [Fact]
    public async Task Rsyslog_that_is_another_or_lets_nobody_in_gets_nothing()
    {
        await using var rsyslog = await RsyslogServer.StartAsync(directory, "ossl");
        Dictionary<string, object?> Sink(string name, string serverName, string? certificate) => new()
        {
            ["name"] = name, ["host"] = "127.0.0.1", ["serverName"] = serverName, ["port"] = rsyslog.Port, ["ca"] = rsyslog.CaPath,
            ["certificate"] = certificate is null ? null : rsyslog.CertificatePath, ["privateKey"] = certificate is null ? null : rsyslog.PrivateKeyPath,
        };
        await using var service = await AlarmService.StartAsync(configuration => configuration["sinks"] = new Dictionary<string, object?>
        {
            ["syslog"] = new[] { Sink("other-name", "siem.example", "ours"), Sink("nobody", "localhost", null) },
        });
        await Until.TrueAsync(async () => (await SinksAsync(service)).All(sink => sink.State == AuditSinkState.Failing), "both fail");
        Assert.All(await SinksAsync(service), sink => Assert.Empty(sink.Positions));
        Assert.Empty(rsyslog.Lines);
    }

    [Fact]
    public async Task A_collector_that_errs_rejects_cuts_or_hangs_loses_nothing_and_holds_no_call_up()
    {
        await using var collector = await OtlpCollector.StartAsync();
        await using var service = await AlarmService.StartAsync(configuration => configuration["sinks"] = new Dictionary<string, object?>
        {
            ["otlp"] = new[] { new Dictionary<string, object?> { ["name"] = "collector", ["endpoint"] = collector.Endpoint } },
        });
        await WhoAmIAsync(service, 3);
        await Until.TrueAsync(() => collector.Records.Count(record => record.Event == "own-access-read") >= 3, "the collector has them");
        foreach (var trouble in new Func<HttpContext, Task<bool>>[]
        {
            context => Answer(context, StatusCodes.Status503ServiceUnavailable, ""),
            context => Answer(context, StatusCodes.Status200OK, """{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"no"}}"""),
            context => Answer(context, StatusCodes.Status200OK, "<html>"),
            context => Answer(context, StatusCodes.Status202Accepted, "{}"),
            context =>
            {
                context.Abort();
                return Task.FromResult(false);
            },
        })
        {
            var before = collector.Requests;
            collector.Answer = trouble;
            await WhoAmIAsync(service, 2);
            await Until.TrueAsync(() => collector.Requests > before, "an attempt");
            collector.Answer = _ => Task.FromResult(true);
            await Until.TrueAsync(async () => (await SinkAsync(service)) is { State: AuditSinkState.Delivering, LagRecords: < 3 }, "it recovers by itself");
        }

        var hang = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        collector.Answer = _ => hang.Task;
        await WhoAmIAsync(service, 20);
        Assert.True((await SinkAsync(service)).LagRecords >= 0);
        collector.Answer = _ => Task.FromResult(true);
        hang.SetResult(true);
        await Until.TrueAsync(() => collector.Records.Where(record => record.Event == "own-access-read").Select(record => record.Sequence).Distinct().Count() == 33, "every call");
        var sequences = collector.Records.Select(record => record.Sequence).Distinct().Order().ToList();
        Assert.Equal(Enumerable.Range(0, sequences.Count).Select(each => (long)each), sequences);
    }

    [Fact]
    public async Task A_full_disk_stays_behind_alarms_and_goes_on_when_there_is_room()
    {
        Infrastructure.Require(PostgresFixture.AsRoot, "root, to mount a small tmpfs");
        var copies = Path.Combine(directory, "copies");
        Directory.CreateDirectory(copies);
        (await Command.RunAsync("mount", ["-t", "tmpfs", "-o", "size=40m", "none", copies])).ExpectExit(0);
        try
        {
            var ballast = Path.Combine(copies, "ballast");
            // To the last page: with one left, a first file of a few records would still fit and be closed.
            await File.WriteAllBytesAsync(ballast, new byte[40 * 1024 * 1024]);
            await using var service = await AlarmService.StartAsync(configuration => configuration["sinks"] = new Dictionary<string, object?>
            {
                ["alarmSeconds"] = 10,
                ["directories"] = new[] { new Dictionary<string, object?> { ["name"] = "copies", ["directory"] = copies, ["fileSeconds"] = 1 } },
            });
            await WhoAmIAsync(service, 50);
            await Until.TrueAsync(async () => (await SinkAsync(service)).State == AuditSinkState.Failing, "the disk is full");
            Assert.Empty(Directory.GetFiles(copies, "*.records"));
            await WhoAmIAsync(service, 1);
            var alarm = await AlarmService.WaitForAsync(service, "copies", each => each.Open && each.ClearTime is null);
            Assert.Equal("sink-behind", alarm.Kind);

            File.Delete(ballast);
            await Until.TrueAsync(async () => (await SinkAsync(service)).State == AuditSinkState.Delivering, "it recovers by itself");
            await AlarmService.WaitForAsync(service, "copies", each => each.ClearTime is not null);
            Assert.Contains(Directory.GetFiles(copies, "*.records"), file => Path.GetFileName(file).StartsWith("00-0000000000000000000-", StringComparison.Ordinal));
            Assert.Empty(Directory.GetFiles(copies, "*.torn"));
        }
        finally
        {
            (await Command.RunAsync("umount", ["-l", copies])).ExpectExit(0);
        }
    }

    [Fact]
    public async Task A_killed_server_leaves_no_gap_and_no_file_that_is_not_whole()
    {
        var copies = Path.Combine(directory, "copies");
        Directory.CreateDirectory(copies);
        await using var service = await AlarmService.StartAsync(configuration => configuration["sinks"] = new Dictionary<string, object?>
        {
            ["directories"] = new[] { new Dictionary<string, object?> { ["name"] = "copies", ["directory"] = copies, ["fileSeconds"] = 1 } },
        });
        for (var round = 0; round < 3; round++)
        {
            await WhoAmIAsync(service, 10);
            await Until.TrueAsync(() => Directory.GetFiles(copies, "*.records").Length > round, "a closed file");
            await WhoAmIAsync(service, 10);
            await service.CrashAsync();
            await service.StartAsync();
        }

        await service.StopAsync();
        var covered = 0L;
        foreach (var (first, last) in Directory.GetFiles(copies, "*.records").Select(RangeOf).Order())
        {
            Assert.True(first <= covered, $"Records {covered} to {first - 1} are in no file.");
            covered = Math.Max(covered, last + 1);
        }

        Assert.True(covered > 60);
        Assert.All(Directory.GetFiles(copies), file => Assert.False(File.GetUnixFileMode(file).HasFlag(UnixFileMode.UserWrite)));
    }

    private static (long First, long Last) RangeOf(string path)
    {
        var parts = Path.GetFileNameWithoutExtension(path).Split('-');
        return (long.Parse(parts[1]), long.Parse(parts[2]));
    }

    private static async Task<bool> Answer(HttpContext context, int status, string body)
    {
        context.Response.StatusCode = status;
        await context.Response.WriteAsync(body);
        return false;
    }

    private static List<string[]> Lines(RsyslogServer rsyslog, string message) => [.. rsyslog.Lines.Where(line => line[3] == message)];

    private static long SequenceOf(string[] line) => long.Parse(Regex.Match(line[4], " sequence=\"([0-9]+)\"").Groups[1].Value);

    private static async Task WhoAmIAsync(ServiceFixture service, int count)
    {
        using var administrator = service.ConnectAs("administrator");
        var access = new Access.AccessClient(administrator);
        for (var i = 0; i < count; i++)
        {
            await access.WhoAmIAsync(new WhoAmIRequest());
        }
    }

    private static async Task<IReadOnlyList<AuditSink>> SinksAsync(ServiceFixture service)
    {
        using var administrator = service.ConnectAs("administrator");
        return (await new AuditSinks.AuditSinksClient(administrator).ListSinksAsync(new ListSinksRequest())).Sinks;
    }

    private static async Task<AuditSink> SinkAsync(ServiceFixture service) => Assert.Single(await SinksAsync(service));
}
