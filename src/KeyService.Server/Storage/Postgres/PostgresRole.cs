using Npgsql;

namespace KeyService.Server.Storage.Postgres;

/// <summary>
/// A role held by an advisory lock on a session of its own. The session is listened to all the time, so that its end is noticed at once
/// when the database says so, and in two seconds when it falls silent.
/// </summary>
internal sealed class PostgresRole : IAsyncDisposable
{
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(2);

    private readonly NpgsqlConnection _connection;
    private readonly CancellationTokenSource _release = new();
    private readonly CancellationTokenSource _lost = new();
    private readonly Task _watch;

    private PostgresRole(NpgsqlConnection connection)
    {
        _connection = connection;
        _watch = WatchAsync();
    }

    /// <summary>Null while another session has it.</summary>
    public static async Task<StoreRole?> TryTakeAsync(NpgsqlDataSource source, string role, CancellationToken cancellationToken)
    {
        var connection = await PostgresConnections.OpenAsync(source, cancellationToken);
        try
        {
            await using var command = new NpgsqlCommand($"SELECT pg_try_advisory_lock({AdvisoryLocks.Roles}, {AdvisoryLocks.OfRole(role)})", connection);
            if (await command.ExecuteScalarAsync(cancellationToken) is true)
            {
                var taken = new PostgresRole(connection);
                return new StoreRole(taken.DisposeAsync, taken._lost.Token);
            }
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }

        await connection.DisposeAsync();
        return null;
    }

    /// <summary>The end of the session gives the lock back.</summary>
    public async ValueTask DisposeAsync()
    {
        await _release.CancelAsync();
        await _watch;
        await _connection.DisposeAsync();
    }

    private async Task WatchAsync()
    {
        try
        {
            while (true)
            {
                await _connection.WaitAsync(Silence, _release.Token);
                await using var command = new NpgsqlCommand("SELECT 1", _connection);
                await command.ExecuteNonQueryAsync(_release.Token);
            }
        }
        catch (OperationCanceledException) when (_release.IsCancellationRequested)
        {
            // Given back.
        }
        catch (Exception)
        {
            await _lost.CancelAsync();
        }
    }
}
