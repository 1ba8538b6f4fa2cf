using System.Globalization;

namespace KeyService.Server.Detection;

/// <summary>Months by the site's clocks, as "2026-11".</summary>
internal static class Months
{
    private const string Format = "yyyy-MM";

    public static bool TryParse(string text, out DateOnly first) =>
        DateOnly.TryParseExact(text, Format, CultureInfo.InvariantCulture, DateTimeStyles.None, out first);

    /// <summary>The month is over.</summary>
    public static bool IsOver(SiteCalendar calendar, DateOnly first, DateTimeOffset now) => DateOnly.FromDateTime(calendar.LocalOf(now)) >= first.AddMonths(1);

    /// <summary>Months since detection began that must have been signed off by now.</summary>
    public static IEnumerable<string> Due(DetectionConfiguration configuration, DateTimeOffset beganAt, DateTimeOffset now)
    {
        var began = configuration.Calendar.LocalOf(beganAt);
        var today = DateOnly.FromDateTime(configuration.Calendar.LocalOf(now));
        for (var month = new DateOnly(began.Year, began.Month, 1); today > month.AddMonths(1).AddDays(configuration.SignOffDay - 1); month = month.AddMonths(1))
        {
            yield return month.ToString(Format, CultureInfo.InvariantCulture);
        }
    }
}
