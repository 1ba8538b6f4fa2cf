using System.Data.Common;

namespace KeyService.Server.Storage;

/// <summary>What a change works with: the writer's connection inside the open transaction. Valid only while the change runs.</summary>
internal interface IStoreTransaction
{
    /// <summary>For Dapper. Never begin, commit or roll back on it.</summary>
    DbConnection Connection { get; }

    /// <summary>To hand to Dapper beside the connection; null where the store's driver needs none.</summary>
    DbTransaction? Transaction { get; }

    /// <summary>The log slot that the change's record goes to.</summary>
    int Slot { get; }

    /// <summary>Time of the commit in UTC; the record gets the same.</summary>
    DateTimeOffset Time { get; }

    /// <summary>
    /// Runs an action when the change is durable, before its caller is answered, in the order of commits. For caches kept in memory:
    /// quick, and does not throw.
    /// </summary>
    void OnCommitted(Action action);

    /// <summary>
    /// Says that the change wrote a deciding row: its revision and digest go into the record, and other servers learn that what they
    /// hold of the row is old. Called by <see cref="RowAuthenticator.SealAsync"/>.
    /// </summary>
    void RowChanged(RowChange change);
}
