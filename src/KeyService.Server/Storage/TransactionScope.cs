using System.Data.Common;

namespace KeyService.Server.Storage;

/// <summary>What one change sees of the open transaction.</summary>
internal sealed class TransactionScope(DbConnection connection, int slot, DateTimeOffset time, PendingCommit commit) : IStoreTransaction
{
    public DbConnection Connection { get; } = connection;

    /// <summary>The transaction belongs to the connection: the writers begin it by SQL, and neither driver asks for it.</summary>
    public DbTransaction? Transaction => null;

    public int Slot { get; } = slot;

    public DateTimeOffset Time { get; } = time;

    public void OnCommitted(Action action) => (commit.CommittedActions ??= []).Add(action);

    public void RowChanged(RowChange change) => commit.Record?.AddChange(change);
}
