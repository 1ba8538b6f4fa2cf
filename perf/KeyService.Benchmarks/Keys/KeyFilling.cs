using Dapper;
using KeyService.Crypto;
using KeyService.Server.Keys;
using KeyService.Server.Storage;
using Npgsql;
using NpgsqlTypes;

namespace KeyService.Benchmarks.Keys;

/// <summary>
/// Fills a database with keys and versions as the service would have left them after years: canonical bytes of docs/spec/store.md, MACed, by
/// COPY. Of what hangs below a version only the count of wraps is made, which reading a key asks for.
/// </summary>
internal sealed class KeyFilling(string host, string user, string database, RowAuthenticator rows)
{
    private static readonly RotationPolicy Policy = RotationPolicy.Default;

    public static string NameOf(int number) => $"filled/{number / 1000:0000}/{number % 1000:000}";

    public async Task RunAsync(int keys, int versions)
    {
        // No time limit: the commit looks every version's key up, which takes a minute for ten million.
        await using var connection = new NpgsqlConnection($"Host={host};Username={user};Database={database};Search Path=keyservice;Command Timeout=0");
        await connection.OpenAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        var now = UnixTime.Nanoseconds(TimeProvider.System.GetUtcNow());
        const long day = 86_400_000_000_000;
        await using (var copy = await connection.BeginBinaryImportAsync(
            """
            COPY keys (name, purpose, rotation_period_seconds, created_at, primary_version, version_count, version_change_count, limit_seconds,
                warn_seconds, rotate_at, warn_at, waiting_versions, revision, mac) FROM STDIN (FORMAT BINARY)
            """))
        {
            for (var i = 0; i < keys; i++)
            {
                // Rotations are spread over the period.
                var rotateAt = now + (1 + i % 89) * day;
                long[] numbers =
                [
                    1, (long)Policy.Period.TotalSeconds, now - 1000 * day, IdOf(i, versions - 1, versions), versions, versions,
                    (long)Policy.Limit.TotalSeconds, (long)Policy.WarnBefore.TotalSeconds, rotateAt, rotateAt - (long)Policy.WarnBefore.TotalDays * day, 2, 1,
                ];
                var canonical = numbers.Aggregate(RowMac.Row("keys").AddString(NameOf(i)), (row, number) => row.AddInt64(number)).ToArray();
                await copy.StartRowAsync();
                await copy.WriteAsync(NameOf(i), NpgsqlDbType.Text);
                await WriteAsync(copy, numbers, canonical);
            }

            await copy.CompleteAsync();
        }

        await FillVersionsAsync(connection, keys, versions, now, day);
        await FillWrapsAsync(connection, keys, versions);
        await transaction.CommitAsync();
        // What autovacuum does to tables that have stood for a day: else the first reader of each row writes its page.
        await connection.ExecuteAsync("VACUUM ANALYZE keys, key_versions, wrap_counts");
        await connection.ExecuteAsync("CHECKPOINT;");
        // COPY goes around the buffers, and a database that has served for a day has what it is asked for in them.
        await connection.ExecuteAsync(
            """
            CREATE EXTENSION pg_prewarm SCHEMA public;
            SELECT public.pg_prewarm(oid) FROM pg_class WHERE relnamespace = 'keyservice'::regnamespace AND relkind IN ('r', 'i');
            """);
    }

    /// <summary>The register of keys, moved on as far as the filling went.</summary>
    public static async Task CountAsync(IStoreTransaction transaction, RowAuthenticator rows, int keys)
    {
        var mac = await rows.MacAsync(
            RowMac.Row("register_state").AddString(KeyRing.Register).AddInt64(keys).AddInt64(keys).ToArray(), CancellationToken.None);
        await transaction.Connection.ExecuteAsync(
            "UPDATE register_state SET row_count = @count, change_count = @count, mac = @mac WHERE register = @register",
            new { count = (long)keys, mac, register = KeyRing.Register }, transaction.Transaction);
    }

    // The last is active, the two before it wait.
    private async Task FillVersionsAsync(NpgsqlConnection connection, int keys, int versions, long now, long day)
    {
        var check = new byte[69];
        await using var copy = await connection.BeginBinaryImportAsync(
            """
            COPY key_versions (id, key_name, state, created_at, activated_at, deactivated_at, check_value, state_changed_at, state_changed_by,
                state_reason, processing_stopped, suspected_since, compromise_processed_at, transition_count, revision, mac) FROM STDIN (FORMAT BINARY)
            """);
        for (var i = 0; i < keys; i++)
        {
            for (var version = 0; version < versions; version++)
            {
                var state = version == versions - 1 ? KeyState.Active : version >= versions - 3 ? KeyState.PreActivation : KeyState.Deactivated;
                var id = IdOf(i, version, versions);
                var made = now - (versions - version) * 90 * day;
                long? activated = state == KeyState.PreActivation ? null : state == KeyState.Active ? now - i % 89 * day : made;
                long? deactivated = state == KeyState.Deactivated ? made + 90 * day : null;
                var canonical = RowMac.Row("key_versions").AddInt64(id).AddString(NameOf(i)).AddInt64((long)state).AddInt64(made).AddInt64(activated)
                    .AddInt64(deactivated).AddBytes(check).AddInt64(made).AddString("KeyService").AddString("filled").AddInt64(0).AddInt64(null).AddInt64(null)
                    .AddInt64(1).AddInt64(1).ToArray();
                await copy.StartRowAsync();
                await copy.WriteAsync(id, NpgsqlDbType.Bigint);
                await copy.WriteAsync(NameOf(i), NpgsqlDbType.Text);
                await copy.WriteAsync((long)state, NpgsqlDbType.Bigint);
                await copy.WriteAsync(made, NpgsqlDbType.Bigint);
                await WriteAsync(copy, activated);
                await WriteAsync(copy, deactivated);
                await copy.WriteAsync(check, NpgsqlDbType.Bytea);
                await copy.WriteAsync(made, NpgsqlDbType.Bigint);
                await copy.WriteAsync("KeyService", NpgsqlDbType.Text);
                await copy.WriteAsync("filled", NpgsqlDbType.Text);
                await copy.WriteAsync(0L, NpgsqlDbType.Bigint);
                await copy.WriteNullAsync();
                await copy.WriteNullAsync();
                await WriteAsync(copy, [1, 1], canonical);
            }
        }

        await copy.CompleteAsync();
    }

    private async Task FillWrapsAsync(NpgsqlConnection connection, int keys, int versions)
    {
        await using var copy = await connection.BeginBinaryImportAsync("COPY wrap_counts (version_id, reserved, revision, mac) FROM STDIN (FORMAT BINARY)");
        for (var i = 0; i < keys; i++)
        {
            var id = IdOf(i, versions - 1, versions);
            await copy.StartRowAsync();
            await WriteAsync(copy, [id, 2, 1], RowMac.Row("wrap_counts").AddInt64(id).AddInt64(2).AddInt64(1).ToArray());
        }

        await copy.CompleteAsync();
    }

    // Spread over all 64 bits, as random ids are.
    private static long IdOf(int key, int version, int versions) =>
        unchecked((long)((ulong)((long)key * versions + version + 1) * 0x9E3779B97F4A7C15));

    private async Task WriteAsync(NpgsqlBinaryImporter copy, long[] numbers, byte[] canonical)
    {
        foreach (var number in numbers)
        {
            await copy.WriteAsync(number, NpgsqlDbType.Bigint);
        }

        await copy.WriteAsync(await rows.MacAsync(canonical, CancellationToken.None), NpgsqlDbType.Bytea);
    }

    private static Task WriteAsync(NpgsqlBinaryImporter copy, long? number) =>
        number is { } value ? copy.WriteAsync(value, NpgsqlDbType.Bigint) : copy.WriteNullAsync();
}
