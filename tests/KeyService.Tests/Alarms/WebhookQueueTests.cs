using System.Net;
using System.Net.Sockets;
using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.Hosting;
using KeyService.Tests.Server;
using Microsoft.Extensions.Logging;

namespace KeyService.Tests.Alarms;

/// <summary>Nobody listens where the webhook is to go.</summary>
public sealed class WebhookQueueTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("keyservice-webhook-").FullName;
    private readonly MemoryStore _store = new();
    private readonly CollectedLog _log = new();
    private readonly HastyTime _time = new();

    public void Dispose()
    {
        _store.DisposeAsync().AsTask().Wait();
        _log.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public async Task What_cannot_be_delivered_is_tried_six_times_said_each_time_and_recorded_once()
    {
        using var queue = NewQueue();
        queue.Add(AlarmNews.Raised, NewAlarm(1));
        queue.Add(AlarmNews.Raised, NewAlarm(2));
        await queue.StartAsync(CancellationToken.None);
        await WaitForAsync("Alarm 0000000000000002 could not be delivered");
        await queue.StopAsync(CancellationToken.None);

        Assert.Equal(2, Count("could not be delivered to the webhook in 6 attempts: the receiver cannot be reached"));
        var record = Assert.Single(_store.Records);
        Assert.Equal((AuditEvent.AlarmDeliveryFailed, true), (record.Event, record.Automated));
        Assert.StartsWith("0000000000000001 key-aging to 127.0.0.1:", record.Detail, StringComparison.Ordinal);
        Assert.DoesNotContain("/path-that-is-a-secret", record.Detail + _log.Text, StringComparison.Ordinal);
        Assert.Equal([1, 2, 5, 15, 30, 1, 2, 5, 15, 30], _time.Waited.Select(wait => (int)wait.TotalSeconds));
    }

    [Fact]
    public async Task A_full_queue_drops_what_comes_and_says_how_much()
    {
        using var queue = NewQueue();
        for (var i = 0UL; i < 300; i++)
        {
            queue.Add(AlarmNews.Raised, NewAlarm(i + 1));
        }

        await queue.StartAsync(CancellationToken.None);
        await WaitForAsync("44 alarms did not go to the webhook");
        await queue.StopAsync(CancellationToken.None);
    }

    private WebhookQueue NewQueue()
    {
        var secret = Path.Combine(_directory, "secret");
        File.WriteAllText(secret, "0123456789abcdef\n");
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(secret, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }

        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var url = new Uri($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/path-that-is-a-secret");
        listener.Stop();
        using var loggers = new LoggerFactory([_log]);
        return new WebhookQueue(new WebhookConfiguration(url, secret, null), _store, _time, loggers.CreateLogger<WebhookQueue>());
    }

    private static Alarm NewAlarm(ulong id) =>
        Alarm.New(id, new AlarmCondition(AlarmKind.KeyAging, "ehr/one", "It is old.", AlarmSeverity.Warning), DateTimeOffset.UnixEpoch);

    private int Count(string text) => _log.Text.Split('\n').Count(line => line.Contains(text, StringComparison.Ordinal));

    private async Task WaitForAsync(string text)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        while (!_log.Text.Contains(text, StringComparison.Ordinal))
        {
            await Task.Delay(5, limit.Token);
        }
    }

    /// <summary>Waits for nothing, and remembers for how long it was to wait.</summary>
    private sealed class HastyTime : TimeProvider
    {
        private readonly List<TimeSpan> _waited = [];

        public IReadOnlyList<TimeSpan> Waited
        {
            get
            {
                lock (_waited)
                {
                    return [.. _waited];
                }
            }
        }

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            lock (_waited)
            {
                _waited.Add(dueTime);
            }

            return System.CreateTimer(callback, state, TimeSpan.Zero, period);
        }
    }
}
