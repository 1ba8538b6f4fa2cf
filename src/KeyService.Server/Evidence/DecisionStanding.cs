using System.Globalization;
using KeyService.Server.Access;

namespace KeyService.Server.Evidence;

/// <summary>How a decision stands on a day, or that there is none.</summary>
/// <param name="Decision">Null: the safeguard is undecided.</param>
/// <param name="Standing">In words; in capitals what somebody should do something about.</param>
/// <param name="IsOpen">Whether somebody should.</param>
internal sealed record DecisionStanding(AddressableSafeguard Safeguard, SafeguardDecision? Decision, string Standing, bool IsOpen)
{
    public const string Header = "paragraph,safeguard,decision,rationale,decided_by,date,next_review,standing";

    private const string DayFormat = "yyyy-MM-dd";

    public string ToLine() => Decision is { } decided
        ? CsvLine.Of(
            decided.Paragraph, decided.Safeguard, KebabName.Of(decided.Choice.ToString()), decided.Rationale, decided.DecidedBy, Text(decided.Date), Text(decided.NextReview), Standing)
        : CsvLine.Of(Safeguard.Paragraph, Safeguard.Title, "", "", "", "", "", Standing);

    /// <summary>Every decision, by paragraph, the latest first, and each addressable specification of 164.312 that has none in force.</summary>
    public static IReadOnlyList<DecisionStanding> Of(IReadOnlyList<SafeguardDecision> decisions, DateOnly today)
    {
        var standings = new List<DecisionStanding>();
        foreach (var group in decisions.GroupBy(each => each.Paragraph, StringComparer.Ordinal))
        {
            var inForce = group.Where(each => each.Date <= today).MaxBy(each => each.Date);
            foreach (var decision in group.OrderByDescending(each => each.Date))
            {
                var (standing, isOpen) = decision.Date > today ? ("DATED IN THE FUTURE", true)
                    : decision != inForce ? ($"superseded on {Text(inForce!.Date)}", false)
                    : decision.NextReview < today ? ($"REVIEW OVERDUE since {Text(decision.NextReview)}", true)
                    : ("in force", false);
                standings.Add(new DecisionStanding(new AddressableSafeguard(decision.Paragraph, decision.Safeguard), decision, standing, isOpen));
            }
        }

        standings.AddRange(AddressableSafeguard.All
            .Where(safeguard => !decisions.Any(each => each.Paragraph == safeguard.Paragraph && each.Date <= today))
            .Select(safeguard => new DecisionStanding(safeguard, null, "UNDECIDED", true)));
        return [.. standings.OrderBy(each => each.Safeguard.Paragraph, StringComparer.Ordinal)];
    }

    private static string Text(DateOnly day) => day.ToString(DayFormat, CultureInfo.InvariantCulture);
}
