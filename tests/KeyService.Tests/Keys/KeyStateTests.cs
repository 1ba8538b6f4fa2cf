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
    [InlineData(3, "Suspended", false, true)]
    [InlineData(4, "Deactivated", false, true)]
    [InlineData(5, "Compromised", false, true)]
    [InlineData(6, "Destroyed", false, false)]
    public void The_states_are_frozen_and_the_table_says_what_each_may_do(int number, string name, bool protects, bool processes)
    {
        var state = (Domain.KeyState)number;
        Assert.Equal(name, state.ToString());
        Assert.Equal(name, ((KeyState)number).ToString());
        Assert.Equal((protects, processes), (Domain.KeyStates.MayProtect(state), Domain.KeyStates.MayProcess(state)));
    }

    [Fact]
    public void There_is_no_other_state() => Assert.Equal(6, System.Enum.GetValues<Domain.KeyState>().Length);

    [Theory]
    [InlineData(90)]
    [InlineData(180)]
    public void A_period_of_90_to_180_days_is_taken(int days) =>
        Assert.Equal(TimeSpan.FromDays(days), Domain.RotationPolicy.Require(Policy(days * 86400L), "rotation").Period);

    [Fact]
    public void No_period_is_90_days()
    {
        Assert.Equal(TimeSpan.FromDays(90), Domain.RotationPolicy.Require(null, "rotation").Period);
        Assert.Equal(TimeSpan.FromDays(90), Domain.RotationPolicy.Require(new RotationPolicy(), "rotation").Period);
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
        Assert.Equal(Reason.InvalidArgument, Assert.Throws<Refusal>(() => Domain.RotationPolicy.Require(policy, "rotation")).Reason);
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
        var row = new Domain.KeyVersionRow(id, "k", (Domain.KeyState)state, made, made, null, [], 1);
        using var version = new Domain.KeyVersion(row, new Domain.WrapBudget(_ => Task.FromResult(0L), 0), (_, _) =>
            throw new InvalidOperationException());
        var key = new Domain.Key(new Domain.KeyRow("k", Domain.KeyPurpose.EncryptDecrypt, Domain.RotationPolicy.Default, made, id, 1, 1, 1),
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

    private static RotationPolicy Policy(long seconds) => new() { Period = new Duration { Seconds = seconds } };
}
