using System.Data.Common;

namespace KeyService.Server.Storage.Sqlite;

/// <summary>What one change sees of the open transaction.</summary>
internal sealed class SqliteTransactionScope(DbConnection connection, int slot, DateTimeOffset time, PendingCommit commit) : IStoreTransaction
{
    public DbConnection Connection { get; } = connection;

    /// <summary>SQLite's transaction belongs to the connection, and the driver did not open this one.</summary>
    public DbTransaction? Transaction => null;

    public int Slot { get; } = slot;

    public DateTimeOffset Time { get; } = time;

    public void OnCommitted(Action action) => (commit.CommittedActions ??= []).Add(action);

    public void RowChanged(RowChange change) => commit.Record?.AddChange(change);
}
