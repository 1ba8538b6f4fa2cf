namespace KeyService.Server.Storage;

/// <summary>
/// The store cannot be read or written now (UNAVAILABLE / STORE_UNAVAILABLE or AUDIT_UNAVAILABLE). It heals by itself when it can.
/// </summary>
internal sealed class StoreUnavailableException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>More waits to be committed than the queue holds (RESOURCE_EXHAUSTED / OVERLOADED with RetryInfo).</summary>
internal sealed class StoreOverloadedException(TimeSpan retryAfter)
    : Exception("The store's queue is full; try again a little later.")
{
    public TimeSpan RetryAfter { get; } = retryAfter;
}

/// <summary>
/// A row does not carry a valid MAC, or a row is missing: the store was changed outside the service (DATA_LOSS / STORE_TAMPERED).
/// </summary>
internal class StoreTamperedException(string table, string rowId, string finding)
    : Exception($"Table {table}, row {rowId}: {finding}. It was changed outside the service and is not used.")
{
    public string Table { get; } = table;

    public string RowId { get; } = rowId;
}

/// <summary>A row verifies and is older than this server has seen it: it was put back.</summary>
internal sealed class RowOlderException(string table, string rowId, string finding) : StoreTamperedException(table, rowId, finding);

/// <summary>
/// The file cannot be used as a store at all: held by another process, another program's, newer, or damaged. The message says what to do.
/// </summary>
internal sealed class StoreOpenException(string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>Whether another process holds it: nothing is wrong with the file.</summary>
    public bool InUse { get; init; }

    /// <summary>What to do, where that is more than the message can say.</summary>
    public string Fix { get; init; } = "";
}
