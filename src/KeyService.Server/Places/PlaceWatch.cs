using System.Collections.Concurrent;
using System.Threading.Channels;
using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;

namespace KeyService.Server.Places;

/// <summary>
/// Notes from where the credentials of watched principals are used, and tells when these are more places than the policy allows. A call only leaves
/// word of a place that was not noted lately; what follows from it is written behind it, over all servers in one table.
/// </summary>
internal sealed partial class PlaceWatch(
    PlaceRegister register, IStore store, RowAuthenticator rows, AlarmOutlet alarms, TimeProvider time, ILogger<PlaceWatch> logger) : BackgroundService
{
    private const int Waiting = 1000;
    private const int MostRemembered = 100_000;
    private const int MostNamed = 10;

    private readonly PlaceTables _tables = new(rows);
    private readonly ConcurrentDictionary<(string Principal, string Place), DateTimeOffset> _noted = new();
    private readonly Channel<(PlacePolicy Policy, string Place, string Source)> _uses = Channel.CreateBounded<(PlacePolicy, string, string)>(
        new BoundedChannelOptions(Waiting) { FullMode = BoundedChannelFullMode.Wait, SingleReader = true });

    /// <summary>A call of the principal came over this connection.</summary>
    public void Note(string principal, Peer peer)
    {
        if (register.Of(principal) is not { } policy || Place.Of(peer.Source, policy) is not { } place)
        {
            return;
        }

        var now = time.GetUtcNow();
        if (_noted.TryGetValue((principal, place), out var noted) && now < noted + policy.NoteEvery)
        {
            return;
        }

        if (_noted.Count >= MostRemembered)
        {
            _noted.Clear();
        }

        // Full: the next call leaves word again.
        if (_uses.Writer.TryWrite((policy, place, peer.Source)))
        {
            _noted[(principal, place)] = now;
        }
    }

    /// <summary>Works off what calls left word of.</summary>
    public async Task WorkAsync(CancellationToken cancellationToken)
    {
        while (_uses.Reader.TryRead(out var use))
        {
            try
            {
                await NoteAsync(use.Policy, use.Place, use.Source, cancellationToken);
            }
            catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
            {
                // The next call leaves word again.
                _noted.TryRemove((use.Policy.Principal, use.Place), out _);
                NotNoted(logger, use.Policy.Principal, exception);
            }
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (await _uses.Reader.WaitToReadAsync(stoppingToken))
            {
                await WorkAsync(stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The server stops.
        }
    }

    private async Task NoteAsync(PlacePolicy policy, string place, string source, CancellationToken cancellationToken)
    {
        IReadOnlyList<SeenPlace> seen = [];
        var record = new AuditRecordDraft(AuditEvent.PlaceNoted) { Automated = true, Principal = policy.Principal, Source = source };
        await store.CommitAsync(
            record,
            async transaction =>
            {
                var since = transaction.Time - policy.Window;
                var before = await _tables.FindSeenAsync(transaction, policy.Principal, place);
                await _tables.WriteAsync(transaction, before is null
                    ? new SeenPlace(policy.Principal, place, transaction.Time, transaction.Time, 1)
                    : before with { LastSeen = transaction.Time, Revision = before.Revision + 1 });
                seen = await _tables.ListSeenAsync(transaction.Connection, transaction.Transaction, policy.Principal, since, CancellationToken.None);
                var isNew = before is null || before.LastSeen <= since;
                record.Event = isNew && seen.Count > policy.Most ? AuditEvent.CredentialAtNewPlace : AuditEvent.PlaceNoted;
                record.Detail = isNew ? $"from {place}, place {seen.Count} within {policy.Window}; the policy allows {policy.Most}" : $"from {place}";
            },
            cancellationToken);
        if (seen.Count > policy.Most)
        {
            await alarms.RaiseAsync(
                AlarmKind.CredentialAtNewPlace, policy.Principal,
                $"{policy.Principal} was used from {seen.Count} places within {policy.Window}, and {policy.Most} are allowed: {string.Join(", ", seen.Take(MostNamed).Select(each => each.Place))}.",
                CancellationToken.None);
        }
        else
        {
            await alarms.ClearAsync(AlarmKind.CredentialAtNewPlace, policy.Principal, CancellationToken.None);
        }
    }

    [LoggerMessage(4350, LogLevel.Warning, "A place that {Principal} was used from could not be noted")]
    private static partial void NotNoted(ILogger logger, string principal, Exception exception);
}
