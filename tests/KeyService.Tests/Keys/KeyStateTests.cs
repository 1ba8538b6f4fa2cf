using Google.Protobuf.WellKnownTypes;
using KeyService.Protocol.V1;
using KeyService.Server.Pipeline;
using Domain = KeyService.Server.Keys;

namespace KeyService.Tests.Keys;

public class KeyStateTests
{
    [Theory]
    [InlineData(1, "PreActivation", false, false)]
    [InlineData(2, "Active", true, true)]
    [InlineData(3, "Suspended", false, true)] // unless its suspension said otherwise
    [InlineData(4, "Deactivated", false, true)]
    [InlineData(5, "Compromised", false, true)]
    [InlineData(6, "Destroyed", false, false)]
    public void The_states_are_frozen_and_the_table_says_what_each_may_do(int number, string name, bool protects, bool processes)
    {
        var state = (Domain.KeyState)number;
        Assert.Equal(name, state.ToString());
        Assert.Equal(name, ((KeyState)number).ToString());
        Assert.Equal((protects, processes), (Domain.KeyStates.MayProtect(state), Row(state).MayProcess));
    }

    [Fact]
    public void A_suspension_can_stop_decryption_too_and_only_a_suspension()
    {
        foreach (var state in System.Enum.GetValues<Domain.KeyState>())
        {
            var stopped = Row(state) with { ProcessingStopped = true };
            Assert.Equal(state != Domain.KeyState.Suspended && Row(state).MayProcess, stopped.MayProcess);
        }
    }

    /// <summary>NIST SP 800-57 part 1, section 7, as far as this service goes; every pair that is not here is refused.</summary>
    [Fact]
    public void The_transitions_are_these_and_no_others()
    {
        string[] expected =
        [
            "PreActivation Active", "PreActivation Compromised", "PreActivation Destroyed",
            "Active Suspended", "Active Deactivated", "Active Compromised",
            "Suspended Active", "Suspended Deactivated", "Suspended Compromised",
            "Deactivated Compromised", "Deactivated Destroyed",
            "Compromised Destroyed",
        ];
        var states = System.Enum.GetValues<Domain.KeyState>();
        Assert.Equal(
            expected.Order(StringComparer.Ordinal),
            states.SelectMany(from => states.Where(to => Domain.KeyStates.MayFollow(from, to)).Select(to => $"{from} {to}")).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void There_is_no_other_state() => Assert.Equal(6, System.Enum.GetValues<Domain.KeyState>().Length);

    [Theory]
    [InlineData(90)]
    [InlineData(180)]
    public void A_period_of_90_to_180_days_is_taken(int days) =>
        Assert.Equal(TimeSpan.FromDays(days), Require(Policy(days * 86400L)).Period);

    [Fact]
    public void No_period_is_90_days()
    {
        Assert.Equal(TimeSpan.FromDays(90), Require(null).Period);
        Assert.Equal(TimeSpan.FromDays(90), Require(new RotationPolicy()).Period);
    }

    [Theory]
    [InlineData((90 * 86400) - 1, 0)]
    [InlineData((180 * 86400) + 1, 0)]
    [InlineData(90 * 86400, 1)]
    [InlineData(long.MaxValue, 0)]
    [InlineData(long.MinValue, 0)]
    public void Another_period_is_refused(long seconds, int nanos)
    {
        var policy = Policy(seconds);
        policy.Period.Nanos = nanos;
        Assert.Equal(Reason.InvalidArgument, Assert.Throws<Refusal>(() => Require(policy)).Reason);
    }

    [Theory]
    [InlineData(Domain.KeyState.Active, 180, null)]
    [InlineData(Domain.KeyState.Active, 181, Reason.KeyOverdue)]
    [InlineData(Domain.KeyState.Deactivated, 1, Reason.KeyState)]
    [InlineData(Domain.KeyState.Compromised, 1, Reason.KeyState)]
    public void A_key_protects_with_an_active_version_up_to_its_limit(object state, int ageDays, Reason? refused)
    {
        var now = new DateTimeOffset(2026, 11, 22, 0, 0, 0, TimeSpan.Zero);
        var made = now.AddDays(-ageDays);
        var id = new KeyService.Crypto.KeyVersionId(1);
        var row = new Domain.KeyVersionRow(id, "k", (Domain.KeyState)state, made, made, null, [], null, 1);
        using var version = new Domain.KeyVersion(row, new Domain.WrapBudget((_, _) => Task.FromResult(0L)), (_, _) =>
            throw new InvalidOperationException());
        var key = new Domain.Key(new Domain.KeyRow("k", Domain.KeyPurpose.EncryptDecrypt, Domain.RotationPolicy.Default, made, id, 1, 1, 0, made, 1),
            version);
        if (refused is null)
        {
            Assert.Same(version, key.ForProtection(now));
        }
        else
        {
            Assert.Equal(refused, Assert.Throws<Refusal>(() => key.ForProtection(now)).Reason);
        }
    }

    [Theory]
    [InlineData(89 * 86400L, "limit")]
    [InlineData(119 * 86400L, "limit")]
    [InlineData(181 * 86400L, "limit")]
    [InlineData(86399L, "warn_before")]
    [InlineData(60 * 86400L + 1, "warn_before")]
    public void A_limit_before_the_rotation_or_past_180_days_and_a_warning_outside_1_to_60_days_are_refused(long seconds, string field)
    {
        var policy = Policy(120 * 86400L);
        var value = new Duration { Seconds = seconds };
        _ = field == "limit" ? policy.Limit = value : policy.WarnBefore = value;
        var refusal = Assert.Throws<Refusal>(() => Require(policy));
        Assert.Contains(field, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_longer_period_takes_the_limit_along_that_was_not_asked_for()
    {
        var before = new Domain.RotationPolicy(TimeSpan.FromDays(90), TimeSpan.FromDays(100), TimeSpan.FromDays(14));
        var after = Domain.RotationPolicy.Require(Policy(150 * 86400L), before, "rotation");
        Assert.Equal((150, 150), (after.Period.TotalDays, after.Limit.TotalDays));
    }

    [Fact]
    public void A_version_is_replaced_before_its_limit_even_where_both_are_the_same()
    {
        var activated = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
        var policy = new Domain.RotationPolicy(TimeSpan.FromDays(180), TimeSpan.FromDays(180), TimeSpan.FromDays(14));
        Assert.Equal(TimeSpan.FromHours(1), policy.LimitAt(activated) - policy.RotateAt(activated));
        Assert.Equal(TimeSpan.FromDays(90), Domain.RotationPolicy.Default.RotateAt(activated) - activated);
    }

    private static Domain.RotationPolicy Require(RotationPolicy? policy) =>
        Domain.RotationPolicy.Require(policy, Domain.RotationPolicy.Default, "rotation");

    private static Domain.KeyVersionRow Row(Domain.KeyState state) =>
        new(new KeyService.Crypto.KeyVersionId(1), "k", state, DateTimeOffset.UnixEpoch, null, null, [], null, 1);

    private static RotationPolicy Policy(long seconds) => new() { Period = new Duration { Seconds = seconds } };
}
