using System.Data.Common;

namespace KeyService.Server.Storage.Postgres;

/// <summary>
/// What the service does inside the writer's transactions, so that servers on one database follow each other's changes. Set before the
/// store is used; both run on the writer, one after another with the changes.
/// </summary>
internal sealed class PostgresHooks
{
    /// <summary>Channel on which each transaction with changed rows gives notice when it commits.</summary>
    public const string Channel = "keyservice_changes";

    /// <summary>
    /// Once for each transaction that has changes, after every change of other servers before it is visible and before its own first: what
    /// is kept in memory catches up here. May run again when the transaction does.
    /// </summary>
    public Func<DbConnection, Task>? BeforeChanges { get; set; }

    /// <summary>After each change that wrote deciding rows, as part of it: what it throws undoes the change. Dapper gets the transaction of
    /// the first argument.</summary>
    public Func<IStoreTransaction, IReadOnlyList<RowChange>, Task>? RowsChanged { get; set; }
}
