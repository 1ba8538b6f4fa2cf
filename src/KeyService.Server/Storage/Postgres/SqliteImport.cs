using System.Data.Common;
using Dapper;
using KeyService.Crypto;
using Npgsql;
using NpgsqlTypes;

namespace KeyService.Server.Storage.Postgres;

/// <summary>
/// Copies everything that a SQLite store holds into a PostgreSQL schema that holds nothing yet, byte for byte: MACs and hashes stay those
/// that were made. The log comes first, in pieces that are committed one by one and not copied again after an interruption; all else
/// follows in one transaction, with the installation's row, so that what is half copied cannot be served.
/// </summary>
/// <param name="source">The SQLite store, which nobody writes.</param>
/// <param name="target">A session that may insert into all tables, with <see cref="PostgresConnections.Schema"/> as its search path.</param>
internal sealed class SqliteImport(IStore source, NpgsqlConnection target)
{
    private const int Piece = 10_000;

    /// <summary>Tables that say something of the database itself; the feed of changes begins anew with it.</summary>
    private static readonly string[] NotCopied =
        ["schema_version", "store_probe", "audit_heads", "audit_records", "audit_segments", "audit_terms", "row_changes", "change_position"];

    /// <returns>Rows copied now, by table; empty when everything stood there already.</returns>
    /// <exception cref="StoreOpenException">The target holds another installation, or a server uses it.</exception>
    public Task<IReadOnlyDictionary<string, long>> CopyAsync(CancellationToken cancellationToken) => source.ReadAsync<IReadOnlyDictionary<string, long>>(
        async connection =>
        {
            // Servers lease slots by these locks: none can write while the session lives.
            if (!await target.ExecuteScalarAsync<bool>($"SELECT pg_try_advisory_lock({AdvisoryLocks.Slots}, 0)"))
            {
                throw new StoreOpenException("A server, or another import, uses the database; stop it first.") { InUse = true };
            }

            var copied = new Dictionary<string, long>(StringComparer.Ordinal);
            if (await IsCompleteAsync(connection))
            {
                return copied;
            }

            copied["audit_records"] = await CopyLogAsync(connection, cancellationToken);
            await using var transaction = await target.BeginTransactionAsync(cancellationToken);
            foreach (var table in await TablesAsync())
            {
                copied[table.Name] = await CopyTableAsync(connection, table, cancellationToken);
            }

            // A server that was started on the half-copied database has left a head at 0.
            await target.ExecuteAsync("""
                INSERT INTO audit_heads (slot, next_sequence) SELECT slot, max(sequence) + 1 FROM audit_records GROUP BY slot
                ON CONFLICT (slot) DO UPDATE SET next_sequence = excluded.next_sequence
                """);
            await transaction.CommitAsync(cancellationToken);
            return copied;
        },
        cancellationToken);

    /// <summary>Reads both back and compares every row, column by column, and every leaf hash with its record.</summary>
    /// <returns>Rows compared, by table.</returns>
    /// <exception cref="StoreTamperedException">They differ.</exception>
    public Task<IReadOnlyDictionary<string, long>> VerifyAsync(CancellationToken cancellationToken) => source.ReadAsync<IReadOnlyDictionary<string, long>>(
        async connection =>
        {
            var compared = new Dictionary<string, long>(StringComparer.Ordinal);
            foreach (var table in (await TablesAsync()).Append(new Table("audit_records", ["slot", "sequence", "record", "leaf_hash"], ["slot", "sequence"])))
            {
                compared[table.Name] = await CompareAsync(connection, table, cancellationToken);
            }

            return compared;
        },
        cancellationToken);

    private async Task<bool> IsCompleteAsync(DbConnection connection)
    {
        const string installation = "SELECT installation_id FROM installation";
        var ours = await connection.ExecuteScalarAsync<byte[]>(installation)
            ?? throw new StoreOpenException("The SQLite store holds no installation: there is nothing to copy.");
        var theirs = await target.ExecuteScalarAsync<byte[]>(installation);
        return theirs is null ? false
            : theirs.AsSpan().SequenceEqual(ours) ? true
            : throw new StoreOpenException("The database holds another installation; name an empty one.") { InUse = true };
    }

    private async Task<long> CopyLogAsync(DbConnection connection, CancellationToken cancellationToken)
    {
        long copied = 0;
        foreach (var slot in (await connection.QueryAsync<long>("SELECT DISTINCT slot FROM audit_slots")).AsList())
        {
            var next = 1 + await target.ExecuteScalarAsync<long>("SELECT coalesce(max(sequence), -1) FROM audit_records WHERE slot = @slot", new { slot });
            while (true)
            {
                var piece = (await connection.QueryAsync<LogRow>(
                    "SELECT sequence AS Sequence, record AS Record, leaf_hash AS LeafHash FROM audit_records WHERE slot = @slot AND sequence >= @next ORDER BY sequence LIMIT @Piece",
                    new { slot, next, Piece })).AsList();
                if (piece.Count == 0)
                {
                    break;
                }

                await CopyPieceAsync(slot, piece, cancellationToken);
                next = piece[^1].Sequence + 1;
                copied += piece.Count;
            }
        }

        return copied;
    }

    private async Task CopyPieceAsync(long slot, List<LogRow> piece, CancellationToken cancellationToken)
    {
        var times = piece.ConvertAll(row => AuditRecord.TryParse(row.Record, out var record)
            ? record!.TimeUnixNanoseconds
            : throw new StoreTamperedException("audit_records", $"{slot}/{row.Sequence}", "the record is not in canonical form"));
        foreach (var at in times.DistinctBy(time => (UnixTime.FromNanoseconds(time).Year, UnixTime.FromNanoseconds(time).Month)))
        {
            await target.ExecuteAsync("SELECT make_audit_partition(@at)", new { at });
        }

        await using var copy = await target.BeginBinaryImportAsync(
            "COPY audit_records (slot, sequence, recorded_at, record, leaf_hash) FROM STDIN (FORMAT BINARY)", cancellationToken);
        foreach (var (row, at) in piece.Zip(times))
        {
            await copy.StartRowAsync(cancellationToken);
            await copy.WriteAsync(slot, NpgsqlDbType.Bigint, cancellationToken);
            await copy.WriteAsync(row.Sequence, NpgsqlDbType.Bigint, cancellationToken);
            await copy.WriteAsync(at, NpgsqlDbType.Bigint, cancellationToken);
            await copy.WriteAsync(row.Record, NpgsqlDbType.Bytea, cancellationToken);
            await copy.WriteAsync(row.LeafHash, NpgsqlDbType.Bytea, cancellationToken);
        }

        await copy.CompleteAsync(cancellationToken);
    }

    private async Task<long> CopyTableAsync(DbConnection connection, Table table, CancellationToken cancellationToken)
    {
        var columns = string.Join(", ", table.Columns);
        await using var select = connection.CreateCommand();
        select.CommandText = $"SELECT {columns} FROM {table.Name}";
        await using var rows = await select.ExecuteReaderAsync(cancellationToken);
        await using var copy = await target.BeginBinaryImportAsync($"COPY {table.Name} ({columns}) FROM STDIN (FORMAT BINARY)", cancellationToken);
        while (await rows.ReadAsync(cancellationToken))
        {
            await copy.StartRowAsync(cancellationToken);
            for (var column = 0; column < table.Columns.Count; column++)
            {
                await WriteAsync(copy, table, rows.GetValue(column), cancellationToken);
            }
        }

        return (long)await copy.CompleteAsync(cancellationToken);
    }

    private static Task WriteAsync(NpgsqlBinaryImporter copy, Table table, object value, CancellationToken cancellationToken) => value switch
    {
        DBNull => copy.WriteNullAsync(cancellationToken),
        long number => copy.WriteAsync(number, NpgsqlDbType.Bigint, cancellationToken),
        string text => copy.WriteAsync(text, NpgsqlDbType.Text, cancellationToken),
        byte[] bytes => copy.WriteAsync(bytes, NpgsqlDbType.Bytea, cancellationToken),
        _ => throw new InvalidOperationException($"Table {table.Name} holds a {value.GetType().Name}, which no store holds."),
    };

    private async Task<long> CompareAsync(DbConnection connection, Table table, CancellationToken cancellationToken)
    {
        var sql = $"SELECT {string.Join(", ", table.Columns)} FROM {table.Name} ORDER BY {string.Join(", ", table.Key)}";
        await using var ours = connection.CreateCommand();
        await using var theirs = target.CreateCommand();
        ours.CommandText = theirs.CommandText = sql;
        await using var left = await ours.ExecuteReaderAsync(cancellationToken);
        await using var right = await theirs.ExecuteReaderAsync(cancellationToken);
        for (long rows = 0; ; rows++)
        {
            var more = await left.ReadAsync(cancellationToken);
            if (await right.ReadAsync(cancellationToken) != more)
            {
                throw new StoreTamperedException(table.Name, "*", $"one database has {rows} rows and the other has more");
            }

            if (!more)
            {
                return rows;
            }

            for (var column = 0; column < table.Columns.Count; column++)
            {
                if (!Same(left.GetValue(column), right.GetValue(column)))
                {
                    throw new StoreTamperedException(
                        table.Name, string.Join('/', table.Key.Select(key => left.GetValue(left.GetOrdinal(key)))), $"{table.Columns[column]} differs");
                }
            }

            if (table.Name == "audit_records" && !AuditRecord.LeafHash((byte[])right["record"]).AsSpan().SequenceEqual((byte[])right["leaf_hash"]))
            {
                throw new StoreTamperedException(table.Name, $"{right["slot"]}/{right["sequence"]}", "the record is not the one that its leaf hash was made of");
            }
        }
    }

    private static bool Same(object left, object right) =>
        left is byte[] bytes ? right is byte[] others && bytes.AsSpan().SequenceEqual(others) : left.Equals(right);

    // Tables that others refer to come first.
    private async Task<IReadOnlyList<Table>> TablesAsync()
    {
        var waiting = (await target.QueryAsync<(string Name, string[] Columns, string[]? Key, string[] Needs)>(
            """
            SELECT relname,
                (SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute WHERE attrelid = t.oid AND attnum > 0 AND NOT attisdropped),
                (SELECT array_agg(attname::text ORDER BY array_position(i.indkey::int2[], attnum)) FROM pg_index i JOIN pg_attribute ON attrelid = t.oid AND attnum = ANY (i.indkey::int2[])
                    WHERE i.indrelid = t.oid AND indisprimary),
                (SELECT coalesce(array_agg(f.relname::text), '{}') FROM pg_constraint JOIN pg_class f ON f.oid = confrelid WHERE contype = 'f' AND conrelid = t.oid AND confrelid <> t.oid)
            FROM pg_class t WHERE relnamespace = @schema::regnamespace AND relkind = 'r' AND NOT relispartition AND relname <> ALL (@NotCopied) ORDER BY relname
            """,
            new { schema = PostgresConnections.Schema, NotCopied })).ToList();
        var sorted = new List<Table>();
        while (waiting.Count > 0)
        {
            var next = waiting.FindIndex(table => table.Needs.All(need => !waiting.Exists(other => other.Name == need)));
            var (name, columns, key, _) = waiting[next < 0 ? throw new InvalidOperationException("Tables refer to each other in a circle.") : next];
            sorted.Add(new Table(name, columns, key ?? columns));
            waiting.RemoveAt(next);
        }

        return sorted;
    }

    private sealed record Table(string Name, IReadOnlyList<string> Columns, IReadOnlyList<string> Key);

    private sealed record LogRow(long Sequence, byte[] Record, byte[] LeafHash);
}
