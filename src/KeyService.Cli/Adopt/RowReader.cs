using Npgsql;

namespace KeyService.Cli.Adopt;

/// <summary>
/// Goes through a table in the order of its primary key, a batch at a time. A batch is sized by what the one before held, so that a
/// table of large documents takes no more memory than one of numbers.
/// </summary>
/// <param name="adoption">The table.</param>
/// <param name="expressions">What to read of each row, as <c>bytea</c>; <c>$1</c> is pgcrypto's key.</param>
/// <param name="where">Which rows.</param>
/// <param name="secret">pgcrypto's key; empty when there is none.</param>
/// <param name="lockRows">Whether the rows stay locked until the transaction ends; those that somebody else holds are left out.</param>
internal sealed class RowReader(Adoption adoption, IReadOnlyList<string> expressions, string where, ReadOnlyMemory<byte> secret, bool lockRows)
{
    private const int FirstBatch = 50;
    private const int LargestBatch = 2000;
    private const long BatchBytes = 4 * 1024 * 1024;

    private int size = FirstBatch;
    private string[]? last;

    /// <summary>The next batch; empty at the end of the table.</summary>
    public async Task<IReadOnlyList<AdoptedRow>> ReadAsync(NpgsqlConnection connection, CancellationToken cancellation)
    {
        var table = adoption.Table;
        var after = last is null
            ? ""
            : $" AND ({table.KeyRow}) > ({string.Join(", ", table.Key.Select((column, index) => $"${index + 2}::{column.Type}"))})";
        await using var command = Sql.Command(
            connection,
            $"""
            SELECT t.ctid::text, {string.Join(", ", table.KeyTexts)}, {string.Join(", ", expressions)}
            FROM {table.Quoted} t WHERE ({where}){after} ORDER BY {table.KeyRow} LIMIT {size}{(lockRows ? " FOR UPDATE SKIP LOCKED" : "")}
            """,
            [secret, .. last ?? []]);
        var rows = new List<AdoptedRow>();
        var bytes = 0L;
        await using var reader = await command.ExecuteReaderAsync(cancellation).ConfigureAwait(false);
        while (await reader.ReadAsync(cancellation).ConfigureAwait(false))
        {
            var key = Enumerable.Range(1, table.Key.Count).Select(reader.GetString).ToArray();
            var values = Enumerable.Range(1 + table.Key.Count, expressions.Count)
                .Select(index => reader.IsDBNull(index) ? null : reader.GetFieldValue<byte[]>(index)).ToArray();
            rows.Add(new AdoptedRow(reader.GetString(0), key, values));
            bytes += values.Sum(value => value?.LongLength ?? 0);
        }
        if (rows.Count > 0)
        {
            last = rows[^1].Key;
            size = (int)Math.Clamp(BatchBytes * rows.Count / Math.Max(bytes, 1), 1, LargestBatch);
        }
        return rows;
    }

    /// <summary>From the beginning of the table again.</summary>
    public void Restart() => last = null;
}
