using KeyService.Crypto.Ceremonies;
using ConfigurationSection = KeyService.Server.Hosting.ConfigurationSection;

namespace KeyService.Server.Ceremonies;

/// <summary>Section "ceremonies": how often what is held outside must be proven.</summary>
internal sealed record CeremonyConfiguration
{
    private const int MostDays = 366;

    /// <summary>When no share check was completed for longer, an alarm says so; zero: none does.</summary>
    public TimeSpan ShareCheckEvery { get; init; } = TimeSpan.FromDays(183);

    /// <summary>The same of restore drills.</summary>
    public TimeSpan RestoreDrillEvery { get; init; } = TimeSpan.FromDays(92);

    /// <summary>The same of backup exports; bundles at destinations of the service are checked without them.</summary>
    public TimeSpan BackupExportEvery { get; init; } = TimeSpan.Zero;

    /// <summary>Kinds that have a period.</summary>
    public IEnumerable<(string Kind, TimeSpan Every)> Periods => new[]
    {
        (CeremonyKind.ShareCheck, ShareCheckEvery), (CeremonyKind.RestoreDrill, RestoreDrillEvery), (CeremonyKind.BackupExport, BackupExportEvery),
    }.Where(each => each.Item2 > TimeSpan.Zero);

    public static CeremonyConfiguration Read(ConfigurationSection section)
    {
        var defaults = new CeremonyConfiguration();
        var configuration = new CeremonyConfiguration
        {
            ShareCheckEvery = Days("shareCheckDays", defaults.ShareCheckEvery),
            RestoreDrillEvery = Days("restoreDrillDays", defaults.RestoreDrillEvery),
            BackupExportEvery = Days("backupExportDays", defaults.BackupExportEvery),
        };
        section.Finish();
        return configuration;

        TimeSpan Days(string name, TimeSpan usual) => TimeSpan.FromDays(section.Whole(name, 0, MostDays, (int)usual.TotalDays));
    }
}
