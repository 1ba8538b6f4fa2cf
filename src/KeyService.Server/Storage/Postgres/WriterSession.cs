using System.Data.Common;
using Npgsql;
using NpgsqlTypes;

namespace KeyService.Server.Storage.Postgres;

/// <summary>
/// The one session that writes. It holds the advisory lock of its log slot for as long as it lives, so nobody else writes that slot, and
/// what is left of it when it is lost can write nothing after another got the slot. Used by the writer thread only.
/// </summary>
internal sealed class WriterSession : IDisposable
{
    private const int SlotCount = 64;

    private static readonly TimeSpan EndOfPredecessor = TimeSpan.FromSeconds(5);

    private readonly NpgsqlConnection _connection;
    private readonly NpgsqlCommand _begin;
    private readonly NpgsqlCommand _beginChanges;
    private readonly NpgsqlCommand _commit;
    private readonly NpgsqlCommand _probe;
    private bool _warned;

    private WriterSession(NpgsqlConnection connection, int slot, long last)
    {
        _connection = connection;
        Slot = slot;
        NextSequence = last + 1;
        _connection.Notice += (_, notice) => _warned |= notice.Notice.InvariantSeverity == "WARNING";
        _begin = Command("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE");
        _beginChanges = Command(
            $"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT pg_advisory_xact_lock({AdvisoryLocks.General}, {AdvisoryLocks.Changes})");
        // A head that is not where it is expected becomes -1, which the table's check refuses: nothing is committed then.
        _commit = Command(
            "UPDATE audit_heads SET next_sequence = CASE next_sequence WHEN @expected THEN @next ELSE -1 END WHERE slot = @slot; COMMIT",
            ("@expected", NpgsqlDbType.Bigint), ("@next", NpgsqlDbType.Bigint), ("@slot", NpgsqlDbType.Bigint));
        _probe = Command(
            "INSERT INTO store_probe (id, probed_at) VALUES (@slot, @now) ON CONFLICT (id) DO UPDATE SET probed_at = @now",
            ("@slot", NpgsqlDbType.Bigint), ("@now", NpgsqlDbType.Bigint));
    }

    /// <summary>For changes.</summary>
    public DbConnection Connection => _connection;

    public int Slot { get; }

    /// <summary>Of the next record in the slot.</summary>
    public long NextSequence { get; private set; }

    public bool IsOpen => _connection.FullState == System.Data.ConnectionState.Open;

    /// <summary>
    /// Logs in, ends what is left of this store's session before, and leases a log slot: the one it had if that is free, else the lowest
    /// free one.
    /// </summary>
    /// <exception cref="StoreOpenException">The database does not keep the promises, or all slots are taken.</exception>
    /// <exception cref="StoreTamperedException">The slot's log is not as long as it was.</exception>
    /// <exception cref="NpgsqlException">The database does not answer, or is no primary.</exception>
    public static WriterSession Open(PostgresConnections connections, int? slotBefore)
    {
        var connection = PostgresConnections.Open(connections.Sessions);
        try
        {
            DemandPromises(connection);
            EndPredecessors(connection, connections.WriterApplication);
            var slot = Lease(connection, slotBefore);
            return new WriterSession(connection, slot, ReadEnd(connection, slot));
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <param name="withChanges">Waits until no other server changes anything, and keeps them waiting to the end of the transaction.</param>
    public void Begin(bool withChanges) => (withChanges ? _beginChanges : _begin).ExecuteNonQuery();

    public void Savepoint() => Execute("SAVEPOINT one_change");

    /// <summary>Ends a change that went well: what it left for the end of the transaction is checked now, so that it fails alone.</summary>
    public void Release() => Execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED; RELEASE SAVEPOINT one_change");

    public void RollbackToSavepoint() => Execute("ROLLBACK TO SAVEPOINT one_change; RELEASE SAVEPOINT one_change");

    public void Rollback() => Execute("ROLLBACK");

    public void Notify(string channel) => Execute($"NOTIFY {channel}");

    public void WriteProbe(DateTimeOffset now)
    {
        _probe.Parameters[0].Value = (long)Slot;
        _probe.Parameters[1].Value = UnixTime.Nanoseconds(now);
        _probe.ExecuteNonQuery();
    }

    /// <summary>Makes the partition of a month, unless it stands.</summary>
    public void MakePartition(DateTimeOffset month)
    {
        using var command = Command("SELECT make_audit_partition(@at)", ("@at", NpgsqlDbType.Bigint));
        command.Parameters[0].Value = UnixTime.Nanoseconds(month);
        command.ExecuteNonQuery();
    }

    /// <summary>Writes records, numbered from <see cref="NextSequence"/> on, with one COPY.</summary>
    public void Insert(IReadOnlyList<GroupRecord> records, DateTimeOffset now)
    {
        var recordedAt = UnixTime.Nanoseconds(now);
        var sequence = NextSequence;
        using var copy = _connection.BeginBinaryImport(
            "COPY audit_records (slot, sequence, recorded_at, record, leaf_hash) FROM STDIN (FORMAT BINARY)");
        foreach (var (bytes, leafHash) in records)
        {
            copy.StartRow();
            copy.Write((long)Slot, NpgsqlDbType.Bigint);
            copy.Write(sequence++, NpgsqlDbType.Bigint);
            copy.Write(recordedAt, NpgsqlDbType.Bigint);
            copy.Write(bytes, NpgsqlDbType.Bytea);
            copy.Write(leafHash, NpgsqlDbType.Bytea);
        }

        copy.Complete();
    }

    /// <summary>Moves the head on by <paramref name="records"/> and makes the transaction durable.</summary>
    /// <exception cref="NpgsqlException">Also when the commit stands here and nobody knows whether the standby has it.</exception>
    public void Commit(int records)
    {
        _warned = false;
        if (records == 0)
        {
            Execute("COMMIT");
        }
        else
        {
            _commit.Parameters[0].Value = NextSequence;
            _commit.Parameters[1].Value = NextSequence + records;
            _commit.Parameters[2].Value = (long)Slot;
            _commit.ExecuteNonQuery();
        }

        if (_warned)
        {
            // Whatever the language of the message: PostgreSQL warns at a COMMIT when it stopped waiting for the synchronous standby.
            throw new NpgsqlException("The database committed with a warning; whether a standby holds the commit is not known");
        }

        NextSequence += records;
    }

    /// <summary>Whether a group whose COMMIT was not answered stands in the log. Its session has ended, so that does not change any more.</summary>
    public bool Holds(UncertainGroup group)
    {
        using var command = Command(
            "SELECT leaf_hash FROM audit_records WHERE slot = @slot AND sequence >= @first AND sequence < @next ORDER BY sequence",
            ("@slot", NpgsqlDbType.Bigint), ("@first", NpgsqlDbType.Bigint), ("@next", NpgsqlDbType.Bigint));
        command.Parameters[0].Value = (long)group.Slot;
        command.Parameters[1].Value = group.FirstSequence;
        command.Parameters[2].Value = group.FirstSequence + group.LeafHashes.Count;
        using var reader = command.ExecuteReader();
        var found = 0;
        while (reader.Read())
        {
            if (!reader.GetFieldValue<byte[]>(0).AsSpan().SequenceEqual(group.LeafHashes[found]))
            {
                return false;
            }

            found++;
        }

        return found == group.LeafHashes.Count;
    }

    /// <summary>
    /// Commits something small. What was committed before it and whose wait for a synchronous standby was broken off is at the standby when
    /// this returns, for the log of changes travels in order.
    /// </summary>
    public void Settle(DateTimeOffset now)
    {
        Begin(withChanges: false);
        WriteProbe(now);
        Commit(0);
    }

    public void Dispose()
    {
        foreach (var command in new[] { _begin, _beginChanges, _commit, _probe })
        {
            command.Dispose();
        }

        _connection.Dispose();
    }

    private static void DemandPromises(NpgsqlConnection connection)
    {
        using var command = new NpgsqlCommand(
            """
            SET idle_in_transaction_session_timeout = '10s'; SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2;
            SET tcp_keepalives_count = 3; SET tcp_user_timeout = 10000;
            SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::bool AS read_only, current_setting('synchronous_commit') AS commit_mode
            """,
            connection);
        using var reader = command.ExecuteReader();
        reader.Read();
        if (reader.GetBoolean(0))
        {
            throw new NpgsqlException("The database is a standby, or read-only");
        }

        if (reader.GetString(1) is not ("on" or "remote_apply") and var mode)
        {
            throw new StoreOpenException(
                $"synchronous_commit is '{mode}' for this role and database: a commit would be acknowledged before it is durable. "
                + "ALTER ROLE or ALTER DATABASE … RESET synchronous_commit, or set it to on.");
        }
    }

    // A session that was lost here may live on there, in the middle of a COMMIT. Its fate has to be settled before anything is read.
    private static void EndPredecessors(NpgsqlConnection connection, string application)
    {
        using var command = new NpgsqlCommand(
            """
            SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE application_name = @application AND usename = current_user AND datname = current_database() AND pid <> pg_backend_pid()
            """,
            connection);
        command.Parameters.AddWithValue("@application", application);
        var begun = System.Diagnostics.Stopwatch.GetTimestamp();
        while ((long)command.ExecuteScalar()! > 0)
        {
            if (System.Diagnostics.Stopwatch.GetElapsedTime(begun) > EndOfPredecessor)
            {
                throw new NpgsqlException("The session before this one does not end");
            }

            Thread.Sleep(20);
        }
    }

    private static int Lease(NpgsqlConnection connection, int? slotBefore)
    {
        using var command = new NpgsqlCommand($"SELECT pg_try_advisory_lock({AdvisoryLocks.Slots}, @slot)", connection);
        var parameter = command.Parameters.Add("@slot", NpgsqlDbType.Integer);
        foreach (var slot in slotBefore is { } before ? Enumerable.Range(0, SlotCount).Prepend(before) : Enumerable.Range(0, SlotCount))
        {
            parameter.Value = slot;
            if ((bool)command.ExecuteScalar()!)
            {
                return slot;
            }
        }

        throw new StoreOpenException($"All {SlotCount} log slots are held by other servers; stop one of them.") { InUse = true };
    }

    private static long ReadEnd(NpgsqlConnection connection, int slot)
    {
        using var command = new NpgsqlCommand(
            """
            INSERT INTO audit_heads (slot, next_sequence) VALUES (@slot, 0) ON CONFLICT (slot) DO NOTHING;
            SELECT greatest(
                (SELECT coalesce(max(sequence), -1) FROM audit_records WHERE slot = @slot),
                (SELECT max(past_sequence) - 1 FROM audit_archives WHERE slot = @slot AND deleted_at IS NOT NULL));
            SELECT next_sequence FROM audit_heads WHERE slot = @slot
            """,
            connection);
        command.Parameters.AddWithValue("@slot", (long)slot);
        using var reader = command.ExecuteReader();
        reader.Read();
        var last = reader.GetInt64(0);
        reader.NextResult();
        reader.Read();
        var next = reader.GetInt64(0);
        return next == last + 1
            ? last
            : throw new StoreTamperedException("audit_records", $"{slot}/{last + 1}", $"the log ends with record {last} and had {next} records");
    }

    private void Execute(string sql)
    {
        using var command = new NpgsqlCommand(sql, _connection);
        command.ExecuteNonQuery();
    }

    private NpgsqlCommand Command(string sql, params ReadOnlySpan<(string Name, NpgsqlDbType Type)> parameters)
    {
        var command = new NpgsqlCommand(sql, _connection);
        foreach (var (name, type) in parameters)
        {
            command.Parameters.Add(name, type);
        }

        return command;
    }
}

/// <summary>A record on its way into the log.</summary>
internal readonly record struct GroupRecord(byte[] Bytes, byte[] LeafHash);

/// <summary>A group whose COMMIT was sent and not answered.</summary>
/// <param name="Commits">As they were when it was sent.</param>
internal sealed record UncertainGroup(int Slot, long FirstSequence, IReadOnlyList<byte[]> LeafHashes, IReadOnlyList<PendingCommit> Commits);
