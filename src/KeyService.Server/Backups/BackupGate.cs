using KeyService.Crypto;
using KeyService.Server.Alarms;
using KeyService.Server.Storage;

namespace KeyService.Server.Backups;

/// <summary>
/// Whether a version may begin to protect: when the gate is off, or when bundles that contain the version stand, verified, at enough destinations. A copy that
/// was found missing or damaged does not count until it is good again.
/// </summary>
internal sealed class BackupGate(BackupConfiguration configuration, IStore store, RowAuthenticator rows, AlarmOutlet alarms)
{
    private readonly BackupTables _tables = new(rows);

    /// <summary>Whether there is a gate at all.</summary>
    public bool Required => configuration.Gate;

    /// <summary>
    /// Asks the store each time. Rows of the bundles that were changed outside the service keep it closed, and raise an alarm.
    /// </summary>
    /// <exception cref="StoreUnavailableException">The store cannot be read now.</exception>
    public async Task<bool> IsOpenAsync(KeyVersionId version, CancellationToken cancellationToken)
    {
        if (!configuration.Gate)
        {
            return true;
        }

        try
        {
            return (await DestinationsAsync(version, cancellationToken)).Count >= configuration.Required;
        }
        catch (StoreTamperedException e)
        {
            await alarms.RaiseAsync(
                AlarmKind.StoreTampered, $"{e.Table}/{e.RowId}", $"{e.Message} No version is activated on the strength of it.", cancellationToken);
            return false;
        }
    }

    /// <summary>Configured destinations where a verified bundle holds the version, in byte order.</summary>
    /// <exception cref="StoreTamperedException">A row was changed, removed or put back.</exception>
    public Task<IReadOnlyList<string>> DestinationsAsync(KeyVersionId version, CancellationToken cancellationToken) => store.ReadAsync(
        async connection =>
        {
            if (await _tables.FindFirstBundleAsync(connection, version, cancellationToken) is not { } first)
            {
                return (IReadOnlyList<string>)[];
            }

            await _tables.DemandRegistersAsync(connection, cancellationToken);
            var holders = new SortedSet<string>(StringComparer.Ordinal);
            foreach (var destination in configuration.Destinations.Select(each => each.Name))
            {
                // The bundle that held it first, or the newest that holds everything.
                var newest = await BackupTables.FindNewestCompleteAsync(connection, destination);
                foreach (var candidate in newest > first ? [first, newest.Value] : new[] { first })
                {
                    if (await StandsAsync(connection, candidate, first, destination, cancellationToken))
                    {
                        holders.Add(destination);
                        break;
                    }
                }
            }

            return [.. holders];
        },
        cancellationToken);

    private async Task<bool> StandsAsync(
        System.Data.Common.DbConnection connection, long candidate, long first, string destination, CancellationToken cancellationToken)
    {
        var copies = await _tables.ListCopiesAsync(connection, candidate, candidate, cancellationToken);
        return copies.Any(copy => copy.Destination == destination && copy.State == CopyState.Verified)
            && await _tables.FindAsync(connection, candidate, cancellationToken) is { } bundle
            && (candidate == first || bundle.IsComplete);
    }
}
