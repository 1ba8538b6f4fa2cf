using System.Diagnostics;
using System.Globalization;
using System.Text;
using KeyService.Client;
using Npgsql;

namespace KeyService.Load;

/// <summary>
/// P7: an EHR's transactions against PostgreSQL, in rounds that alternate between plain columns and columns encrypted in process by the client
/// library (leased data keys, wrapped keys in the same database). A transaction writes a visit, reads another and its patient's fields, and
/// corrects a third, as pgbench's own: three to four fields are encrypted, three decrypted. CPU time is that of driver, PostgreSQL and service together.
/// </summary>
internal sealed class EhrLoad : IAsyncDisposable
{
    private const int Clients = 4;
    private const int Visits = 20_000;

    private static readonly EncryptedColumn Name = new("perf", "visits", "name");
    private static readonly EncryptedColumn RecordNumber = new("perf", "visits", "record_number");
    private static readonly EncryptedColumn Note = new("perf", "visits", "note");
    private readonly NpgsqlDataSource database;
    private readonly KeyServiceClient client;
    private readonly FieldEncryption fields;
    private readonly int[] processes;
    private readonly int postmaster;
    private long nextVisit = Visits;

    private EhrLoad(string connection, string profile, string key, int postmaster, int serverPid)
    {
        database = NpgsqlDataSource.Create(connection);
        client = KeyServiceClient.Connect(ClientProfile.Load(profile).ToOptions());
        WrappedKeys = new WrappedKeyTable(database);
        fields = client.CreateFieldEncryption(new FieldEncryptionOptions { Key = key, Table = WrappedKeys });
        this.postmaster = postmaster;
        processes = [Environment.ProcessId, serverPid];
    }

    private WrappedKeyTable WrappedKeys { get; }

    public static async Task<int> RunAsync(
        string connection, string profile, string key, int postmaster, int serverPid, int rounds, int transactions)
    {
        await using var load = new EhrLoad(connection, profile, key, postmaster, serverPid);
        await load.FillAsync();
        var (cpu, wall) = (new List<double>(), new List<double>());
        var plainCpu = new List<double>();
        for (var round = -1; round < rounds; round++)
        {
            // Which of the two goes first changes from round to round.
            var plainFirst = round % 2 == 0;
            var first = await load.RoundAsync(encrypted: !plainFirst, transactions);
            var second = await load.RoundAsync(encrypted: plainFirst, transactions);
            var (plain, encrypted) = plainFirst ? (first, second) : (second, first);
            if (round < 0)
            {
                continue;
            }

            plainCpu.Add(plain.Cpu);
            cpu.Add((encrypted.Cpu / plain.Cpu) - 1);
            wall.Add((encrypted.Wall / plain.Wall) - 1);
        }

        Console.WriteLine(
            $"P7 EHR workload: added CPU time {Percent(Measure.Median(cpu))} (mean {Interval(cpu)}), wall time {Percent(Measure.Median(wall))} "
            + $"(mean {Interval(wall)}); plain {Measure.Median(plainCpu) * 1e6 / transactions:F0} CPU-us a transaction, pairs={rounds} of {transactions} "
            + $"transactions, {Clients} clients");
        return 0;
    }

    public async ValueTask DisposeAsync()
    {
        await fields.DisposeAsync();
        client.Dispose();
        await database.DisposeAsync();
    }

    private async Task FillAsync()
    {
        await WrappedKeys.CreateAsync();
        foreach (var encrypted in new[] { false, true })
        {
            var table = TableOf(encrypted);
            await ExecuteAsync(
                $"DROP TABLE IF EXISTS {table}; CREATE TABLE {table} (id bigint PRIMARY KEY, patient bigint NOT NULL, at timestamptz NOT NULL DEFAULT now(), "
                + $"name bytea NOT NULL, record_number bytea NOT NULL, note bytea NOT NULL); CREATE INDEX ON {table} (patient)");
            await using var connection = await database.OpenConnectionAsync();
            await using var copy = await connection.BeginBinaryImportAsync(
                $"COPY {TableOf(encrypted)} (id, patient, name, record_number, note) FROM STDIN BINARY");
            for (long id = 1; id <= Visits; id++)
            {
                await copy.StartRowAsync();
                await copy.WriteAsync(id);
                await copy.WriteAsync(id % 5000);
                await copy.WriteAsync(await SealAsync(encrypted, Name, id, Text(id, 24)));
                await copy.WriteAsync(await SealAsync(encrypted, RecordNumber, id, Text(id, 12)));
                await copy.WriteAsync(await SealAsync(encrypted, Note, id, Text(id, 200)));
            }

            await copy.CompleteAsync();
        }

        await ExecuteAsync("VACUUM ANALYZE");
    }

    private async Task<(double Wall, double Cpu)> RoundAsync(bool encrypted, int transactions)
    {
        var before = Cpu();
        var clock = Stopwatch.StartNew();
        var left = transactions;
        await Task.WhenAll(Enumerable.Range(0, Clients).Select(caller => Task.Run(async () =>
        {
            await using var connection = await database.OpenConnectionAsync();
            var random = new Random(caller);
            while (Interlocked.Decrement(ref left) >= 0)
            {
                await TransactAsync(connection, encrypted, random);
            }
        })));
        return (clock.Elapsed.TotalSeconds, Cpu() - before);
    }

    private async Task TransactAsync(NpgsqlConnection connection, bool encrypted, Random random)
    {
        var table = TableOf(encrypted);
        var id = Interlocked.Increment(ref nextVisit);
        await using var transaction = await connection.BeginTransactionAsync();
        await using (var insert = new NpgsqlCommand($"INSERT INTO {table} (id, patient, name, record_number, note) VALUES ($1, $2, $3, $4, $5)", connection))
        {
            insert.Parameters.Add(new NpgsqlParameter { Value = id });
            insert.Parameters.Add(new NpgsqlParameter { Value = id % 5000 });
            insert.Parameters.Add(new NpgsqlParameter { Value = await SealAsync(encrypted, Name, id, Text(id, 24)) });
            insert.Parameters.Add(new NpgsqlParameter { Value = await SealAsync(encrypted, RecordNumber, id, Text(id, 12)) });
            insert.Parameters.Add(new NpgsqlParameter { Value = await SealAsync(encrypted, Note, id, Text(id, 200)) });
            await insert.ExecuteNonQueryAsync();
        }

        var read = 1 + random.NextInt64(Visits);
        await using (var select = new NpgsqlCommand($"SELECT name, record_number, note FROM {table} WHERE id = $1", connection))
        {
            select.Parameters.Add(new NpgsqlParameter { Value = read });
            await using var row = await select.ExecuteReaderAsync();
            await row.ReadAsync();
            await CheckAsync(encrypted, Name, read, row.GetFieldValue<byte[]>(0), 24);
            await CheckAsync(encrypted, RecordNumber, read, row.GetFieldValue<byte[]>(1), 12);
            await CheckAsync(encrypted, Note, read, row.GetFieldValue<byte[]>(2), 200);
        }

        var corrected = 1 + random.NextInt64(Visits);
        await using (var update = new NpgsqlCommand($"UPDATE {table} SET note = $2 WHERE id = $1", connection))
        {
            update.Parameters.Add(new NpgsqlParameter { Value = corrected });
            update.Parameters.Add(new NpgsqlParameter { Value = await SealAsync(encrypted, Note, corrected, Text(corrected, 200)) });
            await update.ExecuteNonQueryAsync();
        }

        await transaction.CommitAsync();
    }

    private ValueTask<byte[]> SealAsync(bool encrypted, EncryptedColumn column, long id, byte[] value) =>
        encrypted ? fields.EncryptAsync(column.Row(id), value.AsMemory()) : ValueTask.FromResult(value);

    private async ValueTask CheckAsync(bool encrypted, EncryptedColumn column, long id, byte[] stored, int length)
    {
        var value = encrypted ? await fields.DecryptAsync(column.Row(id), stored.AsMemory()) : stored;
        if (!value.AsSpan().SequenceEqual(Text(id, length)))
        {
            throw new InvalidOperationException("A field did not come back as it was.");
        }
    }

    private async Task ExecuteAsync(string sql)
    {
        await using var command = database.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }

    private double Cpu() => processes.Sum(ProcessTime.CpuSeconds) + ProcessTime.WithChildrenCpuSeconds(postmaster);

    private static byte[] Text(long id, int length) => Encoding.ASCII.GetBytes($"{id:D12}".PadRight(length, 'x'));

    private static string TableOf(bool encrypted) => encrypted ? "visits_encrypted" : "visits_plain";

    private static string Percent(double value) => (value * 100).ToString("+0.0;-0.0", CultureInfo.InvariantCulture) + " %";

    // 95 % of the mean of the pairs, by the normal approximation.
    private static string Interval(List<double> values)
    {
        var mean = values.Average();
        var error = values.Count < 2 ? double.NaN : 1.96 * Math.Sqrt(values.Sum(v => (v - mean) * (v - mean)) / (values.Count - 1) / values.Count);
        return $"{Percent(mean - error)} to {Percent(mean + error)}";
    }
}
