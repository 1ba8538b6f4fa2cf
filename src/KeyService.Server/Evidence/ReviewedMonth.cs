using System.Globalization;
using KeyService.Server.Detection;
using KeyService.Server.Storage;

namespace KeyService.Server.Evidence;

/// <summary>How the review of a month stands.</summary>
/// <param name="Month">For example "2026-11", by the site's clocks.</param>
/// <param name="Standing">In words; in capitals what nobody did in time.</param>
/// <param name="SignOff">Null when nobody signed.</param>
/// <param name="Findings">Number of findings whose record lies in the month and in the range.</param>
/// <param name="Open">How many of them nobody has closed.</param>
internal sealed record ReviewedMonth(string Month, string Standing, SignOffRow? SignOff, int Findings, int Open)
{
    public const string Header = "month,standing,reviewer,signed,findings_in_range,open,note";

    /// <summary>Where the signed note stands in the pack; empty when there is none.</summary>
    public string NoteName => SignOff is null ? "" : $"reviews/{Month}.note";

    public string ToLine() => CsvLine.Of(
        Month, Standing, SignOff?.Reviewer ?? "", SignOff is { } signed ? UnixTime.FromNanoseconds(signed.SignedAt).ToString("u", CultureInfo.InvariantCulture) : "",
        $"{Findings}", $"{Open}", NoteName);

    /// <summary>Every month that the range touches, signed or not: those before the installation only when somebody signed them.</summary>
    /// <param name="installed">Since when there is anything to review.</param>
    /// <param name="beganAt">When detection began; null when it never did.</param>
    /// <param name="configuration">Null while detection is off.</param>
    public static IReadOnlyList<ReviewedMonth> Of(
        EvidenceRange range, DateTimeOffset installed, DateTimeOffset? beganAt, DateTimeOffset now, DetectionConfiguration? configuration,
        IReadOnlyList<FindingRow> findings, IReadOnlyList<SignOffRow> signOffs)
    {
        var rules = configuration ?? new DetectionConfiguration { Calendar = SiteCalendar.Utc };
        var (first, last) = (Months.Of(rules.Calendar, range.From), Months.Of(rules.Calendar, range.Until.AddTicks(-1)));
        var begin = Months.Of(rules.Calendar, installed);
        var signed = signOffs.ToDictionary(each => each.Month, StringComparer.Ordinal);
        var earliest = signOffs.Select(each => Months.TryParse(each.Month, out var month) ? month : begin).Append(begin).Min();
        var months = new List<ReviewedMonth>();
        for (var month = first > earliest ? first : earliest; month <= last; month = month.AddMonths(1))
        {
            var name = Months.NameOf(month);
            if (month < begin && !signed.ContainsKey(name))
            {
                continue;
            }

            var found = findings.Where(each => each.Month == name).ToList();
            months.Add(new ReviewedMonth(
                name, StandingOf(rules, month, beganAt, now, signed.ContainsKey(name)), signed.GetValueOrDefault(name), found.Count, found.Count(each => each.IsOpen)));
        }

        return months;
    }

    private static string StandingOf(DetectionConfiguration rules, DateOnly month, DateTimeOffset? beganAt, DateTimeOffset now, bool isSigned)
    {
        var due = month.AddMonths(1).AddDays(rules.SignOffDay - 1);
        return isSigned ? "signed off"
            : beganAt is not { } began || month < Months.Of(rules.Calendar, began) ? "not signed off: nothing was looked for, detection was off"
            : !Months.IsOver(rules.Calendar, month, now) ? "the month is not over"
            : DateOnly.FromDateTime(rules.Calendar.LocalOf(now)) > due ? string.Create(CultureInfo.InvariantCulture, $"NOT SIGNED OFF, was due on {due:yyyy-MM-dd}")
            : string.Create(CultureInfo.InvariantCulture, $"not signed off yet, due on {due:yyyy-MM-dd}");
    }
}
