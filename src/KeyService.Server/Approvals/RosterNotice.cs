using KeyService.Server.Storage;

namespace KeyService.Server.Approvals;

/// <summary>Says at each start whether what is dangerous waits for officers, or whoever holds the permission acts alone.</summary>
internal sealed partial class RosterNotice(IStore store, RowAuthenticator rows, TimeProvider time, ILogger<RosterNotice> logger) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            var chain = await store.ReadAsync(connection => new RosterTable(rows).LoadAsync(connection, null, stoppingToken), stoppingToken);
            if (chain?.InForce(time.GetUtcNow()) is { } roster)
            {
                InForce(logger, roster.Sequence, roster.Quorum.Required, roster.Officers.Count, Convert.ToHexStringLower(roster.Hash));
            }
            else
            {
                NoneInForce(logger);
            }
        }
        catch (Exception e) when (e is StoreUnavailableException or StoreTamperedException or OperationCanceledException)
        {
            // Asked again, and refused, by each call that needs it.
            NotKnown(logger, e.Message);
        }
    }

    [LoggerMessage(6510, LogLevel.Information,
        "Roster {Sequence} is in force: {Quorum} of {Officers} officers approve what nobody may do alone; hash {Hash}")]
    private static partial void InForce(ILogger logger, int sequence, int quorum, int officers, string hash);

    [LoggerMessage(6511, LogLevel.Information,
        "No roster of officers is in force: whoever holds a permission acts alone, and nothing is destroyed. keyservice officer roster installs one")]
    private static partial void NoneInForce(ILogger logger);

    [LoggerMessage(6512, LogLevel.Warning, "Whether a roster of officers is in force could not be read: {Why}")]
    private static partial void NotKnown(ILogger logger, string why);
}
