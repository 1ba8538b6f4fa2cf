using KeyService.Server.Evidence;
using KeyService.Server.Hosting;

namespace KeyService.Tests.Evidence;

public sealed class DecisionsFileTests : IDisposable
{
    private const string Good =
        """
        { "paragraph": "164.312(a)(2)(iii)", "safeguard": "Automatic logoff", "decision": "implemented", "rationale": "Sessions end after 15 minutes.", "decidedBy": "R. Okafor", "date": "2026-10-01", "nextReview": "2027-10-01" }
        """;

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("keyservice-decisions-");

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public void A_decision_is_read_as_it_stands()
    {
        var decision = Assert.Single(Parse(Good));
        Assert.Equal(
            new SafeguardDecision(
                "164.312(a)(2)(iii)", "Automatic logoff", SafeguardChoice.Implemented, "Sessions end after 15 minutes.", "R. Okafor", new DateOnly(2026, 10, 1), new DateOnly(2027, 10, 1)),
            decision);
        Assert.Empty(DecisionsFile.Parse("d.json", """{ "decisions": [], /* none yet */ }"""));
        Assert.Equal(SafeguardChoice.NotReasonable, Parse(Good.Replace("implemented", "not-reasonable", StringComparison.Ordinal))[0].Choice);
    }

    [Theory]
    [InlineData("\"implemented\"", "\"done\"", "decisions[0].decision")]
    [InlineData("\"implemented\"", "null", "decisions[0].decision")]
    [InlineData("164.312(a)(2)(iii)", "164.312(a)(2)(i)", "what is required cannot be decided on")]
    [InlineData("164.312(a)(2)(iii)", "164.312", "decisions[0].paragraph")]
    [InlineData("164.312(a)(2)(iii)", "312(a)(2)(iii)", "decisions[0].paragraph")]
    [InlineData("164.312(a)(2)(iii)", "164.312(a)(2)(iii)\\n", "decisions[0].paragraph")]
    [InlineData("2026-10-01", "1.10.2026", "decisions[0].date")]
    [InlineData("2026-10-01", "2026-02-30", "decisions[0].date")]
    [InlineData("2027-10-01", "2026-10-01", "must be a day after")]
    [InlineData("\"R. Okafor\"", "7", "decisions[0].decidedBy")]
    [InlineData("\"R. Okafor\"", "\"\"", "decisions[0].decidedBy")]
    [InlineData("Sessions end", "Sessions\\u0007end", "decisions[0].rationale")]
    [InlineData("\"date\"", "\"when\"", "decisions[0].when")]
    [InlineData("\"date\"", "\"rationale\": \"again\", \"date\"", "decisions[0].rationale")]
    public void What_is_not_of_the_form_is_refused_by_name(string from, string to, string named)
    {
        var refused = Assert.Throws<ConfigurationException>(() => Parse(Good.Replace(from, to, StringComparison.Ordinal)));
        Assert.Contains(named, refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{ "decisions": null }""")]
    [InlineData("""{ "decisions": {} }""")]
    [InlineData("""{ "decisions": [7] }""")]
    [InlineData("""{ "decisions": [], "more": 1 }""")]
    public void What_is_no_list_of_decisions_is_refused(string text) => Assert.Throws<ConfigurationException>(() => DecisionsFile.Parse("d.json", text));

    [Fact]
    public void One_paragraph_is_decided_once_a_day_and_a_file_has_its_bounds()
    {
        Assert.Contains("twice", Assert.Throws<ConfigurationException>(() => Parse(Good, Good)).Message, StringComparison.Ordinal);
        var many = Enumerable.Range(0, DecisionsFile.MaxDecisions + 1).Select(i => Good.Replace("2026-10-01", new DateOnly(2020, 1, 1).AddDays(i).ToString("yyyy-MM-dd"), StringComparison.Ordinal));
        Assert.Contains("more than 500", Assert.Throws<ConfigurationException>(() => Parse([.. many])).Message, StringComparison.Ordinal);
        Assert.Contains("cannot be read", Assert.Throws<ConfigurationException>(() => DecisionsFile.Load(Path.Combine(_directory.FullName, "absent"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Each_decision_says_how_it_stands_and_what_nobody_decided_is_listed()
    {
        var old = Good.Replace("2026-10-01", "2025-10-01", StringComparison.Ordinal).Replace("2027-10-01", "2026-10-01", StringComparison.Ordinal);
        var later = Good.Replace("2026-10-01", "2026-12-24", StringComparison.Ordinal);
        var overdue = old.Replace("164.312(a)(2)(iii)", "164.308(a)(5)(ii)(A)", StringComparison.Ordinal).Replace("Automatic logoff", "Reminders, weekly", StringComparison.Ordinal);
        Assert.Equal(
            [
                "164.308(a)(5)(ii)(A),\"Reminders, weekly\",implemented,Sessions end after 15 minutes.,R. Okafor,2025-10-01,2026-10-01,REVIEW OVERDUE since 2026-10-01",
                "164.312(a)(2)(iii),Automatic logoff,implemented,Sessions end after 15 minutes.,R. Okafor,2026-12-24,2027-10-01,DATED IN THE FUTURE",
                "164.312(a)(2)(iii),Automatic logoff,implemented,Sessions end after 15 minutes.,R. Okafor,2026-10-01,2027-10-01,in force",
                "164.312(a)(2)(iii),Automatic logoff,implemented,Sessions end after 15 minutes.,R. Okafor,2025-10-01,2026-10-01,superseded on 2026-10-01",
                "164.312(a)(2)(iv),Encryption and decryption,,,,,,UNDECIDED",
                "164.312(c)(2),Mechanism to authenticate electronic protected health information,,,,,,UNDECIDED",
                "164.312(e)(2)(i),Integrity controls in transmission,,,,,,UNDECIDED",
                "164.312(e)(2)(ii),Encryption in transmission,,,,,,UNDECIDED",
            ],
            DecisionStanding.Of(Parse(old, later, Good, overdue), new DateOnly(2026, 11, 29)).Select(each => each.ToLine()));
    }

    [Fact]
    public void A_decision_of_tomorrow_does_not_decide_today() =>
        Assert.Contains(DecisionStanding.Of(Parse(Good), new DateOnly(2026, 9, 30)), each => each is { Safeguard.Paragraph: "164.312(a)(2)(iii)", Standing: "UNDECIDED" });

    [Fact]
    public void The_example_of_the_operations_guide_is_read()
    {
        var text = File.ReadAllText(Path.Combine(RepositoryRoot.Path, "docs/operations.md"));
        var from = text.LastIndexOf("```json", text.IndexOf("\"decisions\": [", StringComparison.Ordinal), StringComparison.Ordinal) + "```json".Length;
        var decision = Assert.Single(DecisionsFile.Parse("d.json", text[from..text.IndexOf("```", from, StringComparison.Ordinal)]));
        Assert.Equal(("164.312(a)(2)(iv)", "Encryption and decryption"), (decision.Paragraph, decision.Safeguard));
    }

    [Fact]
    public void The_doctor_names_what_is_wrong_overdue_or_undecided()
    {
        var path = Path.Combine(_directory.FullName, "decisions.json");
        Assert.Empty(DecisionsCheck.Run(new EvidenceConfiguration(DecisionsFile: null), DateTimeOffset.UnixEpoch));
        Assert.Equal(FindingState.Problem, Assert.Single(DecisionsCheck.Run(new EvidenceConfiguration(path), DateTimeOffset.UnixEpoch)).State);
        File.WriteAllText(path, TextOf([.. AddressableSafeguard.All.Select(each => Good.Replace("164.312(a)(2)(iii)", each.Paragraph, StringComparison.Ordinal))]));
        Assert.Equal(FindingState.Good, Assert.Single(DecisionsCheck.Run(new EvidenceConfiguration(path), At(2026))).State);
        var overdue = DecisionsCheck.Run(new EvidenceConfiguration(path), At(2028)).ToList();
        Assert.Equal(5, overdue.Count);
        Assert.All(overdue, finding => Assert.Equal(FindingState.Warning, finding.State));
    }

    private static DateTimeOffset At(int year) => new(year, 11, 29, 0, 0, 0, TimeSpan.Zero);

    private static IReadOnlyList<SafeguardDecision> Parse(params string[] decisions) => DecisionsFile.Parse("d.json", TextOf(decisions));

    private static string TextOf(string[] decisions) => $$"""{ "decisions": [{{string.Join(',', decisions)}}] }""";
}
