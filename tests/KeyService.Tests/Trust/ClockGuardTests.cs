using KeyService.Protocol.V1;
using KeyService.Server.Pipeline;
using KeyService.Server.Trust;

namespace KeyService.Tests.Trust;

public sealed class ClockGuardTests
{
    private readonly MovedTime _time = new();
    private readonly ClockGuard _guard;
    private TimeSpan _sinceBoot;

    public ClockGuardTests() => _guard = new ClockGuard(_time, ClockGuard.DefaultTolerance, () => _sinceBoot);

    [Fact]
    public void A_clock_that_goes_on_as_clocks_do_is_good()
    {
        for (var look = 0; look < 100; look++)
        {
            _time.Pass(TimeSpan.FromHours(5));
            Assert.Equal(ClockFinding.Good, _guard.Look());
            _guard.DemandNotSetBack();
        }
    }

    [Fact]
    public void A_clock_that_is_set_back_stops_protection_until_the_time_has_passed_the_mark()
    {
        _guard.DemandNotSetBack();
        _time.Set(-TimeSpan.FromHours(3));
        Assert.Equal(ClockFinding.SetBack, _guard.Look());
        var refusal = Assert.Throws<Refusal>(_guard.DemandNotSetBack);
        Assert.Equal(Reason.ClockSetBack, refusal.Reason);
        Assert.Contains("set back by 3 h 0 min", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("store accept --clock", refusal.Message, StringComparison.Ordinal);
        _time.Pass(TimeSpan.FromHours(2));
        Assert.Throws<Refusal>(_guard.DemandNotSetBack);
        _time.Pass(TimeSpan.FromMinutes(59));
        _guard.DemandNotSetBack();
        Assert.Equal(ClockFinding.Good, _guard.Look());
    }

    [Fact]
    public void A_clock_that_is_corrected_within_the_tolerance_is_good()
    {
        _guard.DemandNotSetBack();
        _time.Set(-ClockGuard.DefaultTolerance);
        _guard.DemandNotSetBack();
        Assert.Equal(TimeSpan.Zero, _guard.Behind);
        _time.Set(-TimeSpan.FromSeconds(1));
        Assert.Throws<Refusal>(_guard.DemandNotSetBack);
    }

    [Fact]
    public void Small_steps_back_do_not_add_up_unnoticed()
    {
        _guard.DemandNotSetBack();
        for (var step = 0; step < 6; step++)
        {
            _time.Set(-TimeSpan.FromSeconds(10));
            _guard.DemandNotSetBack();
        }

        _time.Set(-TimeSpan.FromSeconds(10));
        Assert.Throws<Refusal>(_guard.DemandNotSetBack);
    }

    [Fact]
    public void What_others_have_seen_counts_as_what_was_seen_here()
    {
        _guard.Saw(_time.GetUtcNow() + TimeSpan.FromMinutes(2));
        Assert.Throws<Refusal>(_guard.DemandNotSetBack);
        _guard.Saw(_time.GetUtcNow() - TimeSpan.FromDays(1));
        Assert.Equal(TimeSpan.FromMinutes(2), _guard.Behind);
    }

    [Fact]
    public void A_jump_forward_is_told_and_work_is_paced_for_a_day()
    {
        Assert.False(_guard.PaceOfBacklog);
        _time.Set(TimeSpan.FromDays(400));
        Assert.Equal(ClockFinding.Jumped, _guard.Look());
        Assert.True(_guard.PaceOfBacklog);
        _guard.DemandNotSetBack();
        _time.Pass(TimeSpan.FromHours(23));
        Assert.Equal(ClockFinding.Good, _guard.Look());
        Assert.True(_guard.PaceOfBacklog);
        _time.Pass(TimeSpan.FromHours(2));
        Assert.False(_guard.PaceOfBacklog);
    }

    [Fact]
    public void A_machine_that_slept_for_a_week_has_no_clock_that_jumped()
    {
        // The time of day and the boot clock went on, the monotonic clock stood still.
        _time.Set(TimeSpan.FromDays(7));
        _sinceBoot += TimeSpan.FromDays(7);
        Assert.Equal(ClockFinding.Good, _guard.Look());
        Assert.False(_guard.PaceOfBacklog);
    }

    [Fact]
    public void A_clock_that_was_years_ahead_and_is_right_now_is_accepted_by_an_officer()
    {
        _time.Set(TimeSpan.FromDays(3650));
        _guard.Look();
        _time.Set(-TimeSpan.FromDays(3650));
        Assert.Throws<Refusal>(_guard.DemandNotSetBack);
        _guard.Accept(_time.GetUtcNow());
        _guard.DemandNotSetBack();
        Assert.Equal(ClockFinding.Good, _guard.Look());
    }

    [Fact]
    public void A_clock_that_jumps_forward_while_it_is_read_was_not_set_back()
    {
        // One call reads the clock; before it goes on, the clock is moved and another call sees the new time.
        _time.AfterNextReading = () => JumpAndSee(TimeSpan.FromDays(2));
        _guard.DemandNotSetBack();
        _time.AfterNextReading = () => JumpAndSee(TimeSpan.FromHours(2));
        Assert.Equal(ClockFinding.Jumped, _guard.Look());

        void JumpAndSee(TimeSpan by)
        {
            _time.Set(by);
            _guard.Saw(_time.GetUtcNow());
        }
    }

    /// <summary>The time of day and the monotonic clock, moved together or apart.</summary>
    private sealed class MovedTime : TimeProvider
    {
        private DateTimeOffset _now = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);
        private TimeSpan _passed;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        /// <summary>What happens right after the clock was read the next time, and before whoever read it goes on.</summary>
        public Action? AfterNextReading { get; set; }

        public override DateTimeOffset GetUtcNow()
        {
            var now = _now;
            var then = AfterNextReading;
            AfterNextReading = null;
            then?.Invoke();
            return now;
        }

        public override long GetTimestamp() => _passed.Ticks;

        public void Pass(TimeSpan by)
        {
            _now += by;
            _passed += by;
        }

        public void Set(TimeSpan by) => _now += by;
    }
}
