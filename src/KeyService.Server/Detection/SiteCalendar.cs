using System.Globalization;
using ConfigurationSection = KeyService.Server.Hosting.ConfigurationSection;

namespace KeyService.Server.Detection;

/// <summary>When a site is open: by the clocks of its time zone, on each day of the week from one minute to another, and never on holidays.</summary>
/// <param name="Open">For each day, Sunday first, minutes since midnight; null is closed. Until is later than from.</param>
internal sealed record SiteCalendar(TimeZoneInfo Zone, IReadOnlyList<(int From, int Until)?> Open, IReadOnlySet<DateOnly> Holidays)
{
    private const int MinutesADay = 1440;

    private static readonly string[] Days = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

    /// <summary>Where none is configured: months are those of UTC.</summary>
    public static SiteCalendar Utc { get; } = new(TimeZoneInfo.Utc, new (int, int)?[7], new HashSet<DateOnly>());

    /// <summary>From an empty section: UTC, Monday to Friday, 7 to 19.</summary>
    public static SiteCalendar Read(ConfigurationSection detection)
    {
        var zone = TimeZoneInfo.Utc;
        if (detection.Text("timeZone") is { } name && !TimeZoneInfo.TryFindSystemTimeZoneById(name, out zone!))
        {
            detection.Find("timeZone", "must be a time zone that this machine knows, for example \"America/Chicago\" (Debian's package tzdata has them)");
            zone = TimeZoneInfo.Utc;
        }

        var hours = detection.Section("openingHours");
        var open = Days.Select((day, index) => hours.Text(day) is { } text ? Parse(hours, day, text) : index is >= 1 and <= 5 && !Named(hours) ? (7 * 60, 19 * 60) : ((int, int)?)null).ToList();
        hours.Finish();
        var holidays = new HashSet<DateOnly>();
        foreach (var text in (detection.Text("holidays") ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            if (!DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var day))
            {
                detection.Find("holidays", $"must be days like \"2026-12-25 2027-01-01\", and \"{text}\" is none");
            }

            holidays.Add(day);
        }

        return new SiteCalendar(zone, open, holidays);
    }

    public DateTime LocalOf(DateTimeOffset time) => TimeZoneInfo.ConvertTime(time, Zone).DateTime;

    public bool IsOpen(DateTimeOffset time)
    {
        var local = LocalOf(time);
        return HoursOf(DateOnly.FromDateTime(local)) is var (from, until) && local.TimeOfDay.TotalMinutes >= from && local.TimeOfDay.TotalMinutes < until;
    }

    /// <summary>
    /// The closed stretch that a time lies in, as the day on which it began: from the end of the hours of one day to the beginning of those of the
    /// next that has any is one night. At most a fortnight back.
    /// </summary>
    public DateOnly ClosedSince(DateTimeOffset time)
    {
        var local = LocalOf(time);
        var day = DateOnly.FromDateTime(local);
        if (HoursOf(day) is var (_, until) && local.TimeOfDay.TotalMinutes >= until)
        {
            return day;
        }

        for (var back = 1; back < 14; back++)
        {
            if (HoursOf(day.AddDays(-back)) is not null)
            {
                return day.AddDays(-back);
            }
        }

        return day;
    }

    private (int From, int Until)? HoursOf(DateOnly day) => Holidays.Contains(day) ? null : Open[(int)day.DayOfWeek];

    // Whoever names one day names them all.
    private static bool Named(ConfigurationSection hours) => Array.Exists(Days, hours.Has);

    private static (int From, int Until)? Parse(ConfigurationSection hours, string day, string text)
    {
        var parts = text.Split('-');
        if (text == "closed")
        {
            return null;
        }

        if (parts.Length == 2 && MinutesOf(parts[0]) is { } from && MinutesOf(parts[1]) is { } until && from < until)
        {
            return (from, until);
        }

        hours.Find(day, "must be hours like \"07:00-19:00\", at most to \"24:00\", or \"closed\"");
        return null;
    }

    private static int? MinutesOf(string text) =>
        text.Length == 5 && text[2] == ':' && int.TryParse(text.AsSpan(0, 2), NumberStyles.None, CultureInfo.InvariantCulture, out var hours)
        && int.TryParse(text.AsSpan(3), NumberStyles.None, CultureInfo.InvariantCulture, out var minutes) && minutes < 60 && (hours * 60) + minutes <= MinutesADay
            ? (hours * 60) + minutes : null;
}
