using System.Collections.Concurrent;
using System.Data.Common;
using System.Diagnostics;
using System.Globalization;
using KeyService.Server.Audit;
using Microsoft.Data.Sqlite;

namespace KeyService.Server.Storage.Sqlite;

/// <summary>
/// The embedded store: one SQLite file in WAL mode with synchronous=FULL, one process, one writer thread with group commit, a few readers.
/// </summary>
internal sealed class SqliteStore : IStore
{
    private readonly string _path;
    private readonly StoreLock? _lock;
    private readonly SqliteReaders _readers;
    private readonly CommitQueue _queue;
    private readonly GroupCommit? _writer;
    private readonly Thread? _thread;
    private readonly StorePosition _position;
    private readonly ConcurrentDictionary<string, byte> _roles = new(StringComparer.Ordinal);
    private int _disposed;

    private SqliteStore(
        SqliteStoreOptions options, StoreLock? held, CommitQueue queue, GroupCommit? writer, StorePosition position, string? ahead)
    {
        IsAhead = ahead is not null;
        Warnings = ahead is null ? [] : [ahead];
        Slot = options.Slot;
        _path = options.Path;
        _lock = held;
        _readers = new SqliteReaders(options.Path, options.Readers);
        _queue = queue;
        _writer = writer;
        _position = position;
        if (writer is not null)
        {
            _thread = new Thread(writer.Run) { IsBackground = true, Name = "store-writer" };
            _thread.Start();
        }
    }

    /// <inheritdoc/>
    public int Slot { get; }

    /// <inheritdoc/>
    public long LastSequence => _position.Last;

    /// <inheritdoc/>
    public bool IsAhead { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Warnings { get; }

    /// <summary>Opens the file, brings its schema forward, and starts the writer.</summary>
    /// <exception cref="StoreOpenException">Missing, held by another process, another program's, for newer servers only, or damaged; the message says what
    /// to do.</exception>
    public static SqliteStore Open(SqliteStoreOptions options, TimeProvider time) => Open(options, time, Migrations.Sqlite);

    internal static SqliteStore Open(SqliteStoreOptions options, TimeProvider time, IReadOnlyList<Migration> migrations)
    {
        MovedMark.Refuse(options.Path);
        if (options.Mode != StoreMode.Create && !File.Exists(options.Path))
        {
            throw new StoreOpenException($"There is no store at {options.Path}. Make one with 'keyservice init', or correct store.sqlite in the configuration.");
        }

        var position = new StorePosition(options.Slot);
        var queue = new CommitQueue(options.QueueCapacity);
        if (options.Mode == StoreMode.ReadOnly)
        {
            DemandWholeLog(options.Path, unlessHeld: true);
            var (last, steps) = Guard(options.Path, () => InspectForReading(options, migrations));
            position.Restore(last);
            return new SqliteStore(options, null, queue, null, position, AppliedStep.Ahead(steps, migrations));
        }

        var held = StoreLock.Take(options.Path);
        var writer = new GroupCommit(options, time, queue, position);
        try
        {
            DemandWholeLog(options.Path, unlessHeld: false);
            var applied = Guard(options.Path, () =>
            {
                var (connection, steps) = OpenWriter(options, time, migrations);
                writer.Attach(connection);
                return steps;
            });
            return new SqliteStore(options, held, queue, writer, position, AppliedStep.Ahead(applied, migrations));
        }
        catch
        {
            writer.Dispose();
            held.Dispose();
            throw;
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

    /// <summary>One server has the whole file, and so every role that it does not already play.</summary>
    public Task<StoreRole?> TryTakeRoleAsync(string role, CancellationToken cancellationToken) => Task.FromResult(
        _roles.TryAdd(role, 0)
            ? new StoreRole(
                () =>
                {
                    _roles.TryRemove(role, out _);
                    return ValueTask.CompletedTask;
                },
                CancellationToken.None)
            : null);

    /// <summary>
    /// Writes a row through the writer, so that a store that failed is seen to heal without a call, and reads it over a new connection, so
    /// that a file that was deleted or replaced under the service is noticed: the connections that stand would go on with the old one.
    /// </summary>
    public async ValueTask<StoreHealth> ProbeAsync(CancellationToken cancellationToken)
    {
        var start = Stopwatch.GetTimestamp();
        try
        {
            var written = UnixTime.Nanoseconds((await EnqueueAsync(new PendingCommit(null, null), cancellationToken)).Time);
            using var connection = SqliteConnections.OpenReader(_path);
            var read = SqliteConnections.Scalar(connection, "SELECT probed_at FROM store_probe");
            return long.TryParse(read, CultureInfo.InvariantCulture, out var there) && there >= written
                ? new StoreHealth(true, "", Stopwatch.GetElapsedTime(start))
                : Unhealthy($"{_path} is not the file that this server writes: it was replaced. "
                    + "Stop the server and find out what happened before it starts again.", start);
        }
        catch (SqliteException e)
        {
            return Unhealthy($"Opening {_path} failed: {SqliteErrors.Explain(e)}.", start);
        }
        catch (Exception e) when (e is StoreUnavailableException or StoreOverloadedException or StoreOpenException)
        {
            return Unhealthy(e.Message, start);
        }
    }

    /// <summary>Commits what waits, then closes.</summary>
    public ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            _queue.Close();
            _thread?.Join();
            // The writer last: only a connection that may write moves the write-ahead log into the file when it is the last to close.
            _readers.Dispose();
            _writer?.Dispose();
            _lock?.Dispose();
        }

        return ValueTask.CompletedTask;
    }

    private static StoreHealth Unhealthy(string detail, long start) => new(false, detail, Stopwatch.GetElapsedTime(start));

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

    private static (SqliteConnection Connection, int Steps) OpenWriter(SqliteStoreOptions options, TimeProvider time, IReadOnlyList<Migration> migrations)
    {
        CreatePrivate(options.Path);
        var connection = SqliteConnections.OpenWriter(options.Path, options.Mode == StoreMode.Create);
        try
        {
            return (connection, SqliteSchema.Upgrade(connection, options.Path, migrations, time));
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    // SQLite would make the file readable by everybody; -wal and -shm take over the file's mode.
    private static void CreatePrivate(string path)
    {
        if (!File.Exists(path) && !OperatingSystem.IsWindows())
        {
            new FileStream(path, new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            }).Dispose();
        }
    }

    private static (long Last, int Steps) InspectForReading(SqliteStoreOptions options, IReadOnlyList<Migration> migrations)
    {
        using var connection = SqliteConnections.OpenReader(options.Path);
        var applied = SqliteSchema.Inspect(connection, options.Path, migrations);
        if (applied < migrations.Count)
        {
            throw new StoreOpenException($"{options.Path} has schema {applied} and this KeyService reads {migrations.Count}; start the server once, it upgrades.");
        }

        var last = SqliteConnections.Scalar(connection, $"SELECT coalesce(max(sequence), -1) FROM audit_records WHERE slot = {options.Slot}");
        return (long.Parse(last, CultureInfo.InvariantCulture), applied);
    }

    // Before SQLite opens the file: its recovery ends where the log stops verifying, whatever stands behind.
    // A running server's log moves while it is looked at.
    private static void DemandWholeLog(string path, bool unlessHeld)
    {
        try
        {
            if (unlessHeld && StoreLock.IsHeld(path))
            {
                return;
            }

            if (WriteAheadLog.IsOrphan(path))
            {
                throw new StoreOpenException($"There is a write-ahead log {path}-wal and no store with it; SQLite would delete the log.")
                {
                    Fix = $"Put the store back beside its log; or, if both are to be given up, move {path}-wal away.",
                };
            }

            if (WriteAheadLog.Inspect(path) is { } damage)
            {
                throw new StoreOpenException(damage.Message) { Fix = damage.Fix };
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StoreOpenException($"The write-ahead log of {path} cannot be read: {e.Message}", e);
        }
    }

    private static T Guard<T>(string path, Func<T> open)
    {
        try
        {
            return open();
        }
        catch (SqliteException e)
        {
            throw new StoreOpenException($"The store {path} cannot be opened: {SqliteErrors.Explain(e)}.", e);
        }
    }
}
