using KeyService.Server.Alarms;
using KeyService.Server.Storage;

namespace KeyService.Server.Backups;

/// <summary>The alarm of each destination: up while it fails or lacks a bundle, over when all that belongs there stands there.</summary>
internal sealed class DestinationAlarms(
    IReadOnlyList<BackupDestination> destinations, IStore store, BackupTables tables, AlarmOutlet alarms, ILogger logger)
{
    private readonly HashSet<string> _alarmed = new(StringComparer.Ordinal);
    private bool _begun;

    /// <summary>Raises and clears the alarm of each destination that was tried.</summary>
    public async Task TellAsync(IReadOnlyList<BackupDestination> reachable, CancellationToken cancellationToken)
    {
        var state = await BackupState.LoadAsync(store, tables, cancellationToken);
        foreach (var destination in destinations)
        {
            var absent = state.InForce.Count(bundle => !state.IsVerified(bundle, destination.Name));
            if (!destination.IsFailing && reachable.Contains(destination) && absent > 0)
            {
                var problem = $"{absent} of the {state.InForce.Count} bundles in force do not stand verified there";
                destination.Failed(problem);
                logger.DestinationFailed(destination.Name, problem);
            }

            if (destination.IsFailing)
            {
                _alarmed.Add(destination.Name);
                await alarms.RaiseAsync(
                    AlarmKind.BackupDestination, destination.Name,
                    $"The backup destination {destination.Name} fails: {destination.Problem!.TrimEnd('.')}. It is tried again; keyservice backup list shows what stands where.",
                    cancellationToken);
            }
            else if (reachable.Contains(destination))
            {
                destination.Worked();
                if (_alarmed.Remove(destination.Name) || !_begun)
                {
                    await alarms.ClearAsync(AlarmKind.BackupDestination, destination.Name, cancellationToken);
                }
            }
        }

        _begun = true;
    }

    /// <summary>What keeps every bundle from being written is no destination's fault, and every destination's subject.</summary>
    public async Task TellAllAsync(string problem, CancellationToken cancellationToken)
    {
        foreach (var destination in destinations)
        {
            _alarmed.Add(destination.Name);
            await alarms.RaiseAsync(AlarmKind.BackupDestination, destination.Name, problem, cancellationToken);
        }
    }
}
