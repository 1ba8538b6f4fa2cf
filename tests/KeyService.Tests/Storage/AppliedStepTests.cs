using KeyService.Server.Storage;

namespace KeyService.Tests.Storage;

/// <summary>A server that knows three steps, on stores that have had more or fewer.</summary>
public sealed class AppliedStepTests
{
    private static readonly Migration[] Known = [.. Enumerable.Range(1, 3).Select(version => new Migration(version, $"step-{version}", $"SELECT {version}"))];

    /// <summary>What each newer step says, from the fourth on; 0 where it says nothing.</summary>
    [Theory]
    [InlineData(3, true)]
    [InlineData(4, true, 3)]
    [InlineData(4, true, 2)]
    [InlineData(6, true, 3, 1, 3)]
    [InlineData(4, false, 4)]
    [InlineData(4, false, 0)]
    [InlineData(6, false, 3, 5, 5)]
    [InlineData(6, false, 3, 5, 3)]
    [InlineData(6, false, 3, 3, 0)]
    public void A_store_ahead_is_accepted_when_every_newer_step_says_so(int steps, bool accepted, params int[] newer)
    {
        var applied = Applied(newer);
        if (accepted)
        {
            Assert.Equal(steps, AppliedStep.Accept("the store", applied, Known));
        }
        else
        {
            var refusal = Assert.Throws<StoreOpenException>(() => AppliedStep.Accept("the store", applied, Known));
            Assert.Contains($"the store was written by a newer KeyService (schema {steps}; this one knows up to 3)", refusal.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_store_behind_is_accepted_and_counted() => Assert.Equal(2, AppliedStep.Accept("the store", Applied()[..2], Known));

    [Fact]
    public void A_step_that_is_missing_or_another_one_is_refused_whether_it_is_known_or_newer()
    {
        var applied = Applied(3, 3);
        Refused([applied[0], applied[2]]);
        Refused([applied[0], applied[1] with { Digest = new byte[32] }, applied[2]]);
        Refused([applied[0], applied[1], applied[2], applied[4]]);

        static void Refused(AppliedStep[] steps) => Assert.Contains(
            "is not the one of this KeyService", Assert.Throws<StoreOpenException>(() => AppliedStep.Accept("the store", steps, Known)).Message, StringComparison.Ordinal);
    }

    private static AppliedStep[] Applied(params int[] newer) =>
    [
        .. Known.Select(step => new AppliedStep(step.Version, step.Name, step.Digest, null)),
        .. newer.Select((oldest, index) => new AppliedStep(4 + index, "newer", [1], oldest == 0 ? null : oldest)),
    ];
}
