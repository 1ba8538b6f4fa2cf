using System.Globalization;
using ConfigurationSection = KeyService.Server.Hosting.ConfigurationSection;

namespace KeyService.Server.Detection;

/// <summary>Section "detection". Off while it is absent.</summary>
internal sealed record DetectionConfiguration
{
    public required SiteCalendar Calendar { get; init; }

    /// <summary>This many failures within <see cref="FailedLoginsWithin"/>.</summary>
    public int FailedLogins { get; init; } = 3;

    public TimeSpan FailedLoginsWithin { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>More records than this while the site is closed.</summary>
    public int AfterHoursRecords { get; init; } = 10;

    /// <summary>More records than this within <see cref="BulkWithin"/>.</summary>
    public int BulkRecords { get; init; } = 1000;

    public TimeSpan BulkWithin { get; init; } = TimeSpan.FromMinutes(60);

    /// <summary>Principals whose duty it is to open very many records: the databases.</summary>
    public IReadOnlySet<string> BulkExcept { get; init; } = new HashSet<string>();

    /// <summary>A finding that nobody has closed by then is overdue.</summary>
    public TimeSpan ReviewWithin { get; init; } = TimeSpan.FromDays(7);

    /// <summary>Day of the next month by which a month must be signed off.</summary>
    public int SignOffDay { get; init; } = 10;

    /// <summary>Null when the section is absent.</summary>
    public static DetectionConfiguration? Read(ConfigurationSection section, bool isThere)
    {
        var calendar = SiteCalendar.Read(section);
        var except = section.Text("bulkExcept") ?? "";
        var defaults = new DetectionConfiguration { Calendar = calendar };
        var configuration = defaults with
        {
            FailedLogins = section.Whole("failedLogins", 1, 1000, defaults.FailedLogins),
            FailedLoginsWithin = Minutes(section, "failedLoginsMinutes", defaults.FailedLoginsWithin),
            AfterHoursRecords = section.Whole("afterHoursRecords", 0, 1_000_000, defaults.AfterHoursRecords),
            BulkRecords = section.Whole("bulkRecords", 1, 1_000_000_000, defaults.BulkRecords),
            BulkWithin = Minutes(section, "bulkMinutes", defaults.BulkWithin),
            BulkExcept = except.Split(' ', StringSplitOptions.RemoveEmptyEntries).ToHashSet(StringComparer.Ordinal),
            ReviewWithin = TimeSpan.FromDays(section.Whole("reviewDays", 1, 365, (int)defaults.ReviewWithin.TotalDays)),
            SignOffDay = section.Whole("signOffDay", 1, 28, defaults.SignOffDay),
        };
        section.Finish();
        return isThere ? configuration : null;
    }

    private static TimeSpan Minutes(ConfigurationSection section, string key, TimeSpan otherwise) =>
        TimeSpan.FromMinutes(section.Whole(key, 1, 1440, (int)otherwise.TotalMinutes));

    /// <summary>Tells configurations apart whose findings differ.</summary>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture, $"{FailedLogins} failures in {FailedLoginsWithin}, {AfterHoursRecords} after hours, {BulkRecords} in {BulkWithin}");
}
