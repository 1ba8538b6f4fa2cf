namespace KeyService.Server.Backups;

/// <summary>Section "backup". Without destinations nothing is written.</summary>
internal sealed record BackupConfiguration
{
    /// <summary>A version protects only after verified bundles hold it.</summary>
    public bool Gate { get; init; }

    /// <summary>At how many destinations, 1 to their number.</summary>
    public int Required { get; init; } = 1;

    public IReadOnlyList<BackupDestinationConfiguration> Destinations { get; init; } = [];

    /// <summary>Between two looks for versions that no bundle holds.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromSeconds(300);

    /// <summary>Age of the newest full bundle at which another is made.</summary>
    public TimeSpan FullEvery { get; init; } = TimeSpan.FromHours(24);
}

/// <summary>Where bundles go.</summary>
/// <param name="Name">1 to 64 characters of [a-z0-9-]: stands in rows, alarms and logs.</param>
/// <param name="Directory">Absolute; the same for every server of the installation.</param>
internal sealed record BackupDestinationConfiguration(string Name, string Directory);
