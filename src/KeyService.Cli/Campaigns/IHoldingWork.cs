namespace KeyService.Cli.Campaigns;

/// <summary>A holding that this machine can reach: counts what stands in it, and brings it under the newest version.</summary>
internal interface IHoldingWork : IAsyncDisposable
{
    /// <summary>Looks at everything in the holding.</summary>
    Task<VersionCounts> ScanAsync(CancellationToken cancellation);

    /// <summary>
    /// Brings what stands under the campaign's versions under the newest one. May end at any point, also by SIGKILL: nothing that could be read
    /// is then unreadable, and the same again goes on from there.
    /// </summary>
    Task WorkAsync(WorkProgress progress, CancellationToken cancellation);

    /// <summary>Why nothing is done here, when that is so; what to do instead.</summary>
    string? Idle { get; }
}
