using System.Data.Common;
using System.Diagnostics;
using Dapper;
using KeyService.Server.Audit;
using KeyService.Server.Trust;
using Npgsql;

namespace KeyService.Server.Storage.Postgres;

/// <summary>
/// The store that servers share: one database, a writer with group commit in each server, each writing a log slot of its own, changes of
/// all of them one after another.
/// </summary>
internal sealed class PostgresStore : IStore
{
    private readonly PostgresConnections _connections;
    private readonly PostgresReaders _readers;
    private readonly CommitQueue _queue;
    private readonly PostgresGroupCommit? _writer;
    private readonly Thread? _thread;
    private readonly StorePosition _position;
    private int _disposed;

    private PostgresStore(
        PostgresStoreOptions options, PostgresConnections connections, CommitQueue queue, PostgresGroupCommit? writer, StorePosition position,
        PostgresHooks hooks, string? ahead, IReadOnlyList<string> warnings)
    {
        _connections = connections;
        _readers = new PostgresReaders(connections.Readers, options.PoolSize);
        _queue = queue;
        _writer = writer;
        _position = position;
        Hooks = hooks;
        IsAhead = ahead is not null;
        Warnings = ahead is null ? warnings : [ahead, .. warnings];
        if (writer is not null)
        {
            _thread = new Thread(writer.Run) { IsBackground = true, Name = "store-writer" };
            _thread.Start();
        }
    }

    /// <summary>The slot leased now: another one after the session was lost and somebody else took the one before. 0 when nothing is written.</summary>
    public int Slot => Math.Max(0, _position.Slot);

    /// <inheritdoc/>
    public long LastSequence => _position.Last;

    /// <summary>What is done inside the writer's transactions; set before the first change.</summary>
    public PostgresHooks Hooks { get; }

    /// <inheritdoc/>
    public bool IsAhead { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Warnings { get; }

    /// <summary>Logs in, brings the schema forward where the role may, leases a log slot and starts the writer.</summary>
    /// <exception cref="StoreOpenException">Not reachable, another program's, for newer servers only, older without the right to upgrade, or without the
    /// durability that is promised; the message says what to do.</exception>
    public static PostgresStore Open(PostgresStoreOptions options, TimeProvider time) => Open(options, time, Migrations.Postgres);

    internal static PostgresStore Open(PostgresStoreOptions options, TimeProvider time, IReadOnlyList<Migration> migrations)
    {
        PostgresGroupCommit? writer = null;
        PostgresConnections? connections = null;
        try
        {
            var (ahead, warnings) = Prepare(options, time, migrations);
            connections = new PostgresConnections(options);
            var position = new StorePosition(slot: -1);
            var queue = new CommitQueue(options.QueueCapacity);
            var hooks = new PostgresHooks { RowsChanged = ChangeFeed.AppendAsync };
            if (options.Mode == StoreMode.ReadOnly)
            {
                return new PostgresStore(options, connections, queue, null, position, hooks, ahead, warnings);
            }

            writer = new PostgresGroupCommit(options, connections, time, queue, position, hooks);
            writer.Attach();
            return new PostgresStore(options, connections, queue, writer, position, hooks, ahead, warnings);
        }
        catch (Exception e)
        {
            writer?.Dispose();
            connections?.DisposeAsync().AsTask().GetAwaiter().GetResult();
            if (e is NpgsqlException or ArgumentException)
            {
                throw new StoreOpenException($"The store {options.Description} cannot be opened: {PostgresErrors.Explain(e)}.", e);
            }

            throw;
        }
    }

    /// <summary>Whether a server writes the store now. For inspection only: the next moment may differ.</summary>
    /// <exception cref="StoreOpenException">The database cannot be reached.</exception>
    public static bool IsServed(PostgresStoreOptions options)
    {
        try
        {
            using var connection = PostgresConnections.OpenForSchema(options);
            return connection.ExecuteScalar<bool>($"""
                SELECT EXISTS (SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database
                WHERE locktype = 'advisory' AND classid = {AdvisoryLocks.Slots} AND datname = current_database())
                """);
        }
        catch (NpgsqlException e)
        {
            throw new StoreOpenException($"The store {options.Description} cannot be opened: {PostgresErrors.Explain(e)}.", e);
        }
    }

    /// <inheritdoc/>
    public Task<T> ReadAsync<T>(Func<DbConnection, Task<T>> read, CancellationToken cancellationToken) =>
        ReadScope.RunAsync(() => _readers.ReadAsync(read, cancellationToken));

    /// <inheritdoc/>
    public Task<CommitReceipt> CommitAsync(AuditRecordDraft record, Func<IStoreTransaction, Task>? change, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(record);
        return EnqueueAsync(new PendingCommit(record, change), cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<long> WaitForRecordAsync(long sequence, CancellationToken cancellationToken) => _position.WaitAsync(sequence, cancellationToken);

    /// <inheritdoc/>
    public async Task<StoreRole?> TryTakeRoleAsync(string role, CancellationToken cancellationToken)
    {
        try
        {
            return await PostgresRole.TryTakeAsync(_connections.Roles, role, cancellationToken);
        }
        catch (NpgsqlException e)
        {
            throw PostgresErrors.Unavailable($"Taking the role {role}", e);
        }
    }

    /// <summary>Calls <paramref name="noticed"/> whenever a transaction with changed rows was committed by anybody, on a connection of its own.</summary>
    /// <exception cref="StoreUnavailableException">The connection was lost; what was committed meanwhile was not told.</exception>
    public async Task ListenAsync(Action noticed, CancellationToken cancellationToken)
    {
        try
        {
            await using var connection = await PostgresConnections.OpenAsync(_connections.Listeners, cancellationToken);
            await connection.ExecuteAsync($"LISTEN {PostgresHooks.Channel}");
            // What was committed before it listened.
            noticed();
            while (true)
            {
                await connection.WaitAsync(cancellationToken);
                noticed();
            }
        }
        catch (NpgsqlException e)
        {
            throw PostgresErrors.Unavailable("Listening for changes", e);
        }
    }

    /// <summary>Writes a row through the writer and reads it through the pool.</summary>
    public async ValueTask<StoreHealth> ProbeAsync(CancellationToken cancellationToken)
    {
        var start = Stopwatch.GetTimestamp();
        try
        {
            var receipt = await EnqueueAsync(new PendingCommit(null, null), cancellationToken);
            var read = await ReadAsync(
                connection => connection.ExecuteScalarAsync<long>("SELECT probed_at FROM store_probe WHERE id = @slot", new { slot = (long)receipt.Slot }),
                cancellationToken);
            return read >= UnixTime.Nanoseconds(receipt.Time)
                ? new StoreHealth(true, "", Stopwatch.GetElapsedTime(start))
                : Unhealthy("What was just written cannot be read: reads and writes go to two databases.", start);
        }
        catch (Exception e) when (e is StoreUnavailableException or StoreOverloadedException or StoreTamperedException or NpgsqlException)
        {
            return Unhealthy(e is NpgsqlException ? $"{PostgresErrors.Explain(e)}." : e.Message, start);
        }
    }

    /// <summary>Commits what waits, then closes.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            _queue.Close();
            _thread?.Join();
            _writer?.Dispose();
            _readers.Dispose();
            await _connections.DisposeAsync();
        }
    }

    private static StoreHealth Unhealthy(string detail, long start) => new(false, detail, Stopwatch.GetElapsedTime(start));

    private static (string? Ahead, IReadOnlyList<string> Warnings) Prepare(PostgresStoreOptions options, TimeProvider time, IReadOnlyList<Migration> migrations)
    {
        using var connection = PostgresConnections.OpenForSchema(options);
        var applied = PostgresSchema.Inspect(connection, options.Description, migrations);
        if (applied == 0 && options.Mode != StoreMode.Create)
        {
            throw new StoreOpenException($"There is no store in {options.Description}. Make one with 'keyservice init', or correct store.postgres in the configuration.");
        }

        if (applied < migrations.Count)
        {
            if (options.Mode == StoreMode.ReadOnly || !PostgresSchema.MayUpgrade(connection))
            {
                throw new StoreOpenException(applied == 0
                    ? $"There is no store in {options.Description}, and its role may not make one: run 'keyservice init' with --owner."
                    : $"{options.Description} has schema {applied} and this KeyService needs {migrations.Count}. "
                    + "Bring it forward as its owner: 'keyservice store migrate'.");
            }

            applied = PostgresSchema.Upgrade(connection, options.Description, migrations, time);
        }

        return (AppliedStep.Ahead(applied, migrations), [.. PostgresWarnings.Of(connection)]);
    }

    private Task<CommitReceipt> EnqueueAsync(PendingCommit commit, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return Task.FromCanceled<CommitReceipt>(cancellationToken);
        }

        if (_writer is null)
        {
            return Task.FromException<CommitReceipt>(new StoreUnavailableException("The store was opened for reading only."));
        }

        return _queue.Enqueue(commit, cancellationToken);
    }
}
