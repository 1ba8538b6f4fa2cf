using System.Data;
using System.Data.Common;
using Npgsql;

namespace KeyService.Server.Storage.Postgres;

/// <summary>
/// Reads over one snapshot each, on pooled connections that cannot write. A read that finds its connection broken is done once more on a
/// new one: the pool notices only then that the database was restarted or switched over.
/// </summary>
/// <param name="count">Reads at once; further ones wait here, where waiting has no end but the caller's.</param>
internal sealed class PostgresReaders(NpgsqlDataSource source, int count) : IDisposable
{
    private readonly SemaphoreSlim _free = new(count);

    public async Task<T> ReadAsync<T>(Func<DbConnection, Task<T>> read, CancellationToken cancellationToken)
    {
        await _free.WaitAsync(cancellationToken);
        try
        {
            return await ReadTwiceAsync(read, cancellationToken);
        }
        finally
        {
            _free.Release();
        }
    }

    public void Dispose() => _free.Dispose();

    private async Task<T> ReadTwiceAsync<T>(Func<DbConnection, Task<T>> read, CancellationToken cancellationToken)
    {
        try
        {
            return await ReadOnceAsync(read, cancellationToken);
        }
        catch (Exception e) when (PostgresErrors.IsTransient(e) && !cancellationToken.IsCancellationRequested)
        {
            source.Clear();
        }

        try
        {
            return await ReadOnceAsync(read, cancellationToken);
        }
        catch (Exception e) when (PostgresErrors.IsTransient(e) && !cancellationToken.IsCancellationRequested)
        {
            throw PostgresErrors.Unavailable("Reading the store", e);
        }
    }

    private async Task<T> ReadOnceAsync<T>(Func<DbConnection, Task<T>> read, CancellationToken cancellationToken)
    {
        await using var connection = await OpenAsync(cancellationToken);
        // Read only by default (PostgresConnections). BEGIN costs no round trip of its own: the driver sends it with the first statement.
        await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, cancellationToken);
        var answer = await read(connection);
        await transaction.CommitAsync(CancellationToken.None);
        return answer;
    }

    private async Task<NpgsqlConnection> OpenAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await PostgresConnections.OpenAsync(source, cancellationToken);
        }
        catch (NpgsqlException e) when (!cancellationToken.IsCancellationRequested)
        {
            // The sessions that are open stay: what refuses a new one, as a password that was changed, has nothing against them.
            throw PostgresErrors.Unavailable("Reading the store", e);
        }
    }
}
