using Dapper;
using KeyService.Server.Audit;
using KeyService.Server.Keys;
using KeyService.Server.Storage;

namespace KeyService.Server.Trust;

/// <summary>
/// After a database that was put back was accepted, every version that was active then is to be replaced: what was done with it between the backup and
/// the restore nobody counts any more. Asks for the rotation of each such key; the rotation worker does it at its own pace. One server of the installation at a
/// time; what was asked for stands in the keys' rows, so a stop on the way loses nothing.
/// </summary>
internal sealed class RestoreRotation(IStore store, RowAuthenticator rows, KeyChanges changes, TimeProvider time, ILogger<RestoreRotation> logger) : BackgroundService
{
    private const string Role = "restore-rotation";
    private const int KeysInCommit = 50;

    /// <summary>Between two looks for an acceptance.</summary>
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(30);

    private DateTimeOffset _done = DateTimeOffset.MinValue;

    /// <summary>Asks for all rotations that the last acceptance calls for.</summary>
    /// <returns>Keys whose rotation was asked for.</returns>
    public async Task<long> LookAsync(CancellationToken cancellationToken)
    {
        var restored = await store.ReadAsync(connection => StoreAcceptance.LastRestoreAsync(connection, rows, cancellationToken), cancellationToken);
        if (restored is not { } before || before <= _done)
        {
            return 0;
        }

        var count = 0L;
        for (var names = await ListAsync(before, "", cancellationToken); names.Count > 0; names = await ListAsync(before, names[^1], cancellationToken))
        {
            await store.CommitAsync(
                new AuditRecordDraft(AuditEvent.KeyPolicyChanged)
                {
                    Automated = true, ItemCount = names.Count, Detail = $"rotation of {names.Count} keys asked for, because the database was restored ({before:u})",
                },
                async transaction =>
                {
                    foreach (var name in names)
                    {
                        await changes.RequestRotationAsync(transaction, name);
                    }
                },
                cancellationToken);
            count += names.Count;
        }

        _done = before;
        return count;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await using var role = await store.TryTakeRoleAsync(Role, stoppingToken);
                if (role is not null && await LookAsync(stoppingToken) is > 0 and var count)
                {
                    TrustLog.RotationsRequested(logger, count);
                }
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                TrustLog.RotationsFailed(logger, e);
            }

            await Task.Delay(Every, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    // Where to look, not verified: whoever changes a key reads its row, which is.
    private Task<List<string>> ListAsync(DateTimeOffset before, string after, CancellationToken cancellationToken) => store.ReadAsync(
        async connection => (await connection.QueryAsync<string>(
            """
            SELECT k.name FROM keys k JOIN key_versions v ON v.id = k.primary_version
            WHERE v.activated_at < @before AND k.rotate_at > @now AND k.name > @after ORDER BY k.name LIMIT @limit
            """,
            new { before = UnixTime.Nanoseconds(before), now = UnixTime.Nanoseconds(time.GetUtcNow()), after, limit = KeysInCommit })).AsList(),
        cancellationToken);
}
