using KeyService.Server.Alarms;

namespace KeyService.Tests.Alarms;

public sealed class AlarmKindsTests
{
    /// <summary>Only grows: these numbers and names stand in rows, records and webhooks.</summary>
    [Fact]
    public void Numbers_names_and_severities_are_frozen() => Assert.Equal(
        """
        1 key-aging Warning
        2 backup-gate-closed Warning
        3 wrap-budget-low Warning
        4 certificate-expiring Warning
        5 clock-set-back Critical
        6 store-tampered Critical
        7 store-restored Critical
        8 key-compromised Critical
        9 backup-destination Warning
        10 destroying-key-in-use Critical
        11 clock-jumped Warning
        20 checkpoint-missing Critical
        21 checkpoint-destination Warning
        30 person-locked Critical
        31 session-replayed Critical
        32 revocation-list-unusable Critical
        33 credential-at-new-place Warning
        34 break-glass-open Critical
        35 break-glass-review-due Critical
        36 envelopes-spent Critical
        40 audit-archive-overdue Warning
        50 sink-behind Warning
        51 finding Warning
        52 review-overdue Warning
        53 sign-off-overdue Warning
        60 access-review-due Critical
        61 access-review-overdue Warning
        62 administrator-not-attested Critical
        70 share-check-overdue Warning
        71 restore-drill-overdue Warning
        72 backup-export-overdue Warning
        """,
        string.Join('\n', Enum.GetValues<AlarmKind>().Select(each => $"{(int)each} {AlarmKinds.NameOf(each)} {AlarmKinds.SeverityOf(each)}")));

    [Fact]
    public void Every_kind_says_what_to_do_here_and_in_the_runbook()
    {
        var runbook = File.ReadAllText(Path.Combine(RepositoryRoot.Path, "docs/operations.md"));
        foreach (var kind in Enum.GetValues<AlarmKind>())
        {
            Assert.EndsWith(".", AlarmKinds.AdviceOf(kind).Replace("?", ".", StringComparison.Ordinal), StringComparison.Ordinal);
            Assert.Contains($"| `{AlarmKinds.NameOf(kind)}` |", runbook, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_kind_of_a_newer_version_still_has_a_name() => Assert.Equal("alarm-999", AlarmKinds.NameOf((AlarmKind)999));
}
