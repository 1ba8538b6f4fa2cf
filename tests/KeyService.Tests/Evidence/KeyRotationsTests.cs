using KeyService.Crypto;
using KeyService.Server.Evidence;
using KeyService.Server.Keys;

namespace KeyService.Tests.Evidence;

public sealed class KeyRotationsTests
{
    private static readonly DateTimeOffset Day0 = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void A_rotation_says_what_it_superseded_and_one_outside_the_range_is_not_in_it()
    {
        KeyVersionRow[] versions = [Version(3, 180, KeyState.Active), Version(1, 0, KeyState.Deactivated, ended: 90), Version(2, 90, KeyState.Deactivated, ended: 180), Waiting(4)];
        Assert.Equal(["first version 1", "rotation 2 after 1", "rotation 3 after 2"], Of(versions, 0, 200));
        Assert.Equal(["rotation 2 after 1"], Of(versions, 90, 180));
        Assert.Empty(Of(versions, 91, 180));
    }

    [Fact]
    public void A_limit_that_passed_without_a_rotation_is_named_for_as_long_as_it_lasted()
    {
        KeyVersionRow[] late = [Version(1, 0, KeyState.Deactivated, ended: 200), Version(2, 200, KeyState.Active)];
        Assert.Equal(["LIMIT 1 on day 180"], Of(late, 150, 190));
        Assert.Equal(["LIMIT 1 on day 180"], Of(late, 190, 195));
        Assert.Empty(Of(late, 150, 180));
        Assert.Equal(["rotation 2 after 1"], Of(late, 200, 210));
        Assert.Equal(["LIMIT 1 on day 180"], Of([Version(1, 0, KeyState.Active)], 190, 300));
    }

    [Fact]
    public void What_was_ended_before_its_limit_did_not_grow_old()
    {
        Assert.Empty(Of([Version(1, 0, KeyState.Deactivated, ended: 100)], 150, 300));
        Assert.Empty(Of([Version(1, 0, KeyState.Suspended, ended: 100)], 150, 300));
        Assert.Empty(Of([Version(1, 0, KeyState.Compromised, ended: 100)], 150, 300));
        Assert.Equal(["LIMIT 1 on day 180"], Of([Version(1, 0, KeyState.Suspended, ended: 181)], 150, 300));
        // Compromised early, replaced late: in between nothing protected.
        Assert.Equal(["rotation 2 after 1"], Of([Version(1, 0, KeyState.Compromised, ended: 100), Version(2, 200, KeyState.Active)], 150, 300));
    }

    [Fact]
    public void A_line_has_who_and_why()
    {
        KeyVersionRow[] versions = [Version(1, 0, KeyState.Deactivated, ended: 90), Version(2, 90, KeyState.Active)];
        var rotation = KeyRotations.Of(Key, versions, Range(90, 91), Day0.AddDays(91)).Single();
        Assert.Equal(
            "ehr/notes,rotation,0000000000000002,2026-04-01 00:00:00Z,0000000000000001,90.0,KeyService,the period is over,active",
            rotation.ToLine(new StateChange(Day0, StateChange.Service, "the period is over")));
    }

    private static KeyRow Key { get; } = new("ehr/notes", KeyPurpose.EncryptDecrypt, RotationPolicy.Default, Day0, new KeyVersionId(1), 1, 1, 0, null, 1);

    private static List<string> Of(KeyVersionRow[] versions, int from, int until) =>
    [
        .. KeyRotations.Of(Key, versions, Range(from, until), Day0.AddDays(300)).Select(each => each.What == KeyRotations.Overdue
            ? $"LIMIT {each.Version.Id.Value} on day {(each.At - Day0).TotalDays}"
            : $"{each.What} {each.Version.Id.Value}{(each.Superseded is { } before ? $" after {before.Id.Value}" : "")}"),
    ];

    private static EvidenceRange Range(int from, int until) => new(Day0.AddDays(from), Day0.AddDays(until));

    private static KeyVersionRow Version(ulong id, int began, KeyState state, int? ended = null) => new(
        new KeyVersionId(id), Key.Name, state, Day0, Day0.AddDays(began), state == KeyState.Deactivated ? Day0.AddDays(ended!.Value) : null, [],
        new StateChange(Day0.AddDays(ended ?? began), "carol", "so"), 1)
    {
        CompromiseProcessedTime = state == KeyState.Compromised ? Day0.AddDays(ended!.Value) : null,
    };

    private static KeyVersionRow Waiting(ulong id) => new(new KeyVersionId(id), Key.Name, KeyState.PreActivation, Day0, null, null, [], null, 1);
}
