using System.Data.Common;
using KeyService.Server.Audit;
using Microsoft.Data.Sqlite;

namespace KeyService.Server.Storage.Sqlite;

/// <summary>
/// The one connection that writes, with its statements prepared once. Used by the writer thread only. Thrown away after any failed
/// commit: what the file then holds is read anew.
/// </summary>
internal sealed class WriterConnection : IDisposable
{
    private readonly SqliteConnection _connection;
    private readonly SqliteCommand _begin;
    private readonly SqliteCommand _commit;
    private readonly SqliteCommand _savepoint;
    private readonly SqliteCommand _rollbackToSavepoint;
    private readonly SqliteCommand _release;
    private readonly SqliteCommand _insert;
    private readonly SqliteCommand _probe;
    private readonly SqliteParameter _sequenceParameter;
    private readonly SqliteParameter _recordParameter;
    private readonly SqliteParameter _leafHashParameter;
    private readonly int _slot;

    public WriterConnection(SqliteConnection connection, int slot)
    {
        _connection = connection;
        _slot = slot;
        _begin = Prepare("BEGIN IMMEDIATE");
        _commit = Prepare("COMMIT");
        _savepoint = Prepare("SAVEPOINT one_change");
        _rollbackToSavepoint = Prepare("ROLLBACK TO one_change");
        _release = Prepare("RELEASE one_change");
        _probe = Prepare("INSERT INTO store_probe (id, probed_at) VALUES (1, $now) ON CONFLICT (id) DO UPDATE SET probed_at = $now", "$now");
        _insert = Prepare(
            "INSERT INTO audit_records (slot, sequence, record, leaf_hash) VALUES ($slot, $sequence, $record, $leafHash)",
            "$slot", "$sequence", "$record", "$leafHash");
        _insert.Parameters["$slot"].Value = (long)slot;
        _sequenceParameter = _insert.Parameters["$sequence"];
        _recordParameter = _insert.Parameters["$record"];
        _leafHashParameter = _insert.Parameters["$leafHash"];
    }

    /// <summary>For changes.</summary>
    public DbConnection Connection => _connection;

    /// <summary>False when no transaction is open, also because SQLite itself rolled back after an I/O error.</summary>
    public bool InTransaction => SQLitePCL.raw.sqlite3_get_autocommit(_connection.Handle!) == 0;

    public void Begin() => _begin.ExecuteNonQuery();

    public void Commit() => _commit.ExecuteNonQuery();

    public void Savepoint() => _savepoint.ExecuteNonQuery();

    public void Release() => _release.ExecuteNonQuery();

    public void RollbackToSavepoint()
    {
        _rollbackToSavepoint.ExecuteNonQuery();
        _release.ExecuteNonQuery();
    }

    public void Rollback()
    {
        if (InTransaction)
        {
            SqliteConnections.Execute(_connection, "ROLLBACK");
        }
    }

    public void Insert(long sequence, byte[] record, byte[] leafHash)
    {
        _sequenceParameter.Value = sequence;
        _recordParameter.Value = record;
        _leafHashParameter.Value = leafHash;
        _insert.ExecuteNonQuery();
    }

    public void WriteProbe(DateTimeOffset now)
    {
        _probe.Parameters["$now"].Value = UnixTime.Nanoseconds(now);
        _probe.ExecuteNonQuery();
    }

    /// <summary>-1 when the slot is empty.</summary>
    public long ReadLastSequence()
    {
        using var command = _connection.CreateCommand();
        command.CommandText = "SELECT coalesce(max(sequence), -1) FROM audit_records WHERE slot = $slot";
        command.Parameters.AddWithValue("$slot", _slot);
        return (long)command.ExecuteScalar()!;
    }

    public void Dispose()
    {
        foreach (var command in new[] { _begin, _commit, _savepoint, _rollbackToSavepoint, _release, _insert, _probe })
        {
            command.Dispose();
        }

        _connection.Dispose();
    }

    private SqliteCommand Prepare(string sql, params ReadOnlySpan<string> parameters)
    {
        var command = _connection.CreateCommand();
        command.CommandText = sql;
        foreach (var name in parameters)
        {
            command.Parameters.Add(new SqliteParameter { ParameterName = name });
        }

        // Statements without a value yet cannot be prepared by the driver before their first run; it keeps them afterwards.
        if (parameters.Length == 0)
        {
            command.Prepare();
        }

        return command;
    }
}
