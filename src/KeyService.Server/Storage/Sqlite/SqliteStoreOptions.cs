namespace KeyService.Server.Storage.Sqlite;

/// <summary>Settings of the embedded store.</summary>
internal sealed record SqliteStoreOptions
{
    /// <summary>The database file; beside it stand -wal, -shm and .lock.</summary>
    public required string Path { get; init; }

    public StoreMode Mode { get; init; } = StoreMode.ReadWrite;

    /// <summary>Commits that may wait for the writer; more are refused.</summary>
    public int QueueCapacity { get; init; } = 8192;

    /// <summary>Commits that share one transaction at most; bounds how long a caller waits behind others (about 5 ms).</summary>
    public int MaxGroupSize { get; init; } = 1000;

    /// <summary>Reading connections kept open; more reads than these at once wait for one.</summary>
    public int Readers { get; init; } = 4;

    /// <summary>The log slot written to. One server has the whole file, so there is one.</summary>
    public int Slot { get; init; }
}
