using KeyService.Protocol.V1;
using KeyService.Server.Hosting;
using KeyService.Server.Pipeline;

namespace KeyService.Tests.Server;

/// <summary>Silence of a stream's client, in both directions, on a clock that the test moves.</summary>
public sealed class IdleWatchTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(300);
    private readonly MovedClock clock = new();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_client_that_sends_nothing_or_takes_nothing_is_ended_and_not_before_its_time(bool reading)
    {
        await using var watch = Watch();
        Begin(watch, reading);
        clock.Advance(Limit);
        Assert.Null(watch.Ended);
        Assert.False(watch.Token.IsCancellationRequested);
        clock.Advance(Limit / 2);
        Assert.Equal(Reason.StreamIdle, watch.Ended!.Reason);
        Assert.True(watch.Token.IsCancellationRequested);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_slow_client_that_moves_one_message_within_the_limit_lives_for_ever(bool reading)
    {
        await using var watch = Watch();
        for (var message = 0; message < 1000; message++)
        {
            Begin(watch, reading);
            clock.Advance(Limit * 0.99);
            End(watch, reading);
        }
        Assert.Null(watch.Ended);
    }

    [Fact]
    public async Task A_client_that_sends_but_takes_nothing_is_ended_all_the_same()
    {
        await using var watch = Watch();
        watch.BeginWrite();
        for (var i = 0; i < 8; i++)
        {
            watch.BeginRead();
            clock.Advance(Limit / 4);
            watch.EndRead();
        }
        Assert.NotNull(watch.Ended);
    }

    [Fact]
    public async Task The_services_own_work_is_no_silence_of_the_client()
    {
        await using var watch = Watch();
        watch.BeginRead();
        watch.EndRead();
        clock.Advance(Limit * 100);
        Assert.Null(watch.Ended);
        watch.BeginRead();
        clock.Advance(Limit / 2);
        Assert.Null(watch.Ended);
    }

    [Fact]
    public async Task The_callers_own_cancel_and_the_servers_stop_reach_the_stream()
    {
        using var call = new CancellationTokenSource();
        await using (var watch = new IdleWatch(Limits(), clock, call.Token))
        {
            await call.CancelAsync();
            Assert.True(watch.Token.IsCancellationRequested);
            Assert.Null(watch.Ended);
        }
        using var stopping = new CancellationTokenSource();
        await using (var watch = new IdleWatch(Limits(), clock, default, stopping.Token))
        {
            await stopping.CancelAsync();
            Assert.Equal(Reason.ShuttingDown, watch.Ended!.Reason);
        }
    }

    private IdleWatch Watch() => new(Limits(), clock, default);

    private static LimitsConfiguration Limits() => new() { StreamIdleSeconds = (int)Limit.TotalSeconds };

    private static void Begin(IdleWatch watch, bool reading)
    {
        if (reading)
        {
            watch.BeginRead();
        }
        else
        {
            watch.BeginWrite();
        }
    }

    private static void End(IdleWatch watch, bool reading)
    {
        if (reading)
        {
            watch.EndRead();
        }
        else
        {
            watch.EndWrite();
        }
    }

    /// <summary>A clock with timers, which stands until it is moved; a timer fires as often as its period fits in.</summary>
    private sealed class MovedClock : TimeProvider
    {
        private readonly List<MovedTimer> timers = [];
        private long now;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => now;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = new MovedTimer(this, () => callback(state), now + period.Ticks, period.Ticks);
            timers.Add(timer);
            return timer;
        }

        public void Advance(TimeSpan by)
        {
            var until = now + by.Ticks;
            while (timers.MinBy(timer => timer.Due) is { } next && next.Due <= until)
            {
                now = next.Due;
                next.Fire();
            }
            now = until;
        }

        private sealed class MovedTimer(MovedClock clock, Action fire, long due, long period) : ITimer
        {
            public long Due { get; private set; } = due;

            public void Fire()
            {
                Due += period;
                fire();
            }

            public bool Change(TimeSpan dueTime, TimeSpan newPeriod) => throw new NotSupportedException();

            public void Dispose() => clock.timers.Remove(this);

            public ValueTask DisposeAsync()
            {
                Dispose();
                return ValueTask.CompletedTask;
            }
        }
    }
}
