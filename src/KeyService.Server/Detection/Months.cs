using System.Globalization;

namespace KeyService.Server.Detection;

/// <summary>Months by the site's clocks, as "2026-11".</summary>
internal static class Months
{
    private const string Format = "yyyy-MM";

    public static bool TryParse(string text, out DateOnly first) =>
        DateOnly.TryParseExact(text, Format, CultureInfo.InvariantCulture, DateTimeStyles.None, out first);

    /// <summary>For example "2026-11".</summary>
    public static string NameOf(DateOnly first) => first.ToString(Format, CultureInfo.InvariantCulture);

    /// <summary>First day of the month that a time lies in.</summary>
    public static DateOnly Of(SiteCalendar calendar, DateTimeOffset time)
    {
        var day = DateOnly.FromDateTime(calendar.LocalOf(time));
        return new DateOnly(day.Year, day.Month, 1);
    }

    /// <summary>The month is over.</summary>
    public static bool IsOver(SiteCalendar calendar, DateOnly first, DateTimeOffset now) => DateOnly.FromDateTime(calendar.LocalOf(now)) >= first.AddMonths(1);

    /// <summary>Months since detection began that must have been signed off by now.</summary>
    public static IEnumerable<string> Due(DetectionConfiguration configuration, DateTimeOffset beganAt, DateTimeOffset now)
    {
        var today = DateOnly.FromDateTime(configuration.Calendar.LocalOf(now));
        for (var month = Of(configuration.Calendar, beganAt); today > month.AddMonths(1).AddDays(configuration.SignOffDay - 1); month = month.AddMonths(1))
        {
            yield return NameOf(month);
        }
    }
}
