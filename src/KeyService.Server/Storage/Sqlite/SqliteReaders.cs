using System.Collections.Concurrent;
using System.Data.Common;
using Microsoft.Data.Sqlite;

namespace KeyService.Server.Storage.Sqlite;

/// <summary>
/// A few reading connections, each used by one read at a time inside a transaction, so that a read sees one snapshot. A failed one is
/// thrown away.
/// </summary>
internal sealed class SqliteReaders(string path, int count) : IDisposable
{
    private readonly ConcurrentBag<SqliteConnection> _idle = [];
    private readonly SemaphoreSlim _free = new(count);

    public async Task<T> ReadAsync<T>(Func<DbConnection, Task<T>> read, CancellationToken cancellationToken)
    {
        await _free.WaitAsync(cancellationToken);
        SqliteConnection? connection = null;
        var usable = false;
        try
        {
            connection = _idle.TryTake(out var idle) ? idle : SqliteConnections.OpenReader(path);
            SqliteConnections.Execute(connection, "BEGIN");
            var answer = await read(connection);
            // After an exception there may be no transaction to end; the connection is thrown away then.
            SqliteConnections.Execute(connection, "ROLLBACK");
            usable = true;
            return answer;
        }
        catch (SqliteException e) when (SqliteErrors.IsStoreFault(e))
        {
            throw SqliteErrors.Unavailable("Reading the store", e);
        }
        finally
        {
            if (connection is not null)
            {
                if (usable)
                {
                    _idle.Add(connection);
                }
                else
                {
                    connection.Dispose();
                }
            }

            _free.Release();
        }
    }

    public void Dispose()
    {
        while (_idle.TryTake(out var connection))
        {
            connection.Dispose();
        }

        _free.Dispose();
    }
}
