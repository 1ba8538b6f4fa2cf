using System.Security.Cryptography;
using Npgsql;

namespace KeyService.Cli.Adopt;

/// <summary>After the switch: puts back the old values of rows that the application wrote since, so that the switch can be undone.</summary>
internal sealed class ValueRestoring
{
    private readonly Adoption adoption;
    private readonly ColumnTokens tokens;
    private readonly RowReader reader;
    private readonly RowWriter writer;

    public ValueRestoring(Adoption adoption, ColumnTokens tokens, ReadOnlyMemory<byte> secret)
    {
        this.adoption = adoption;
        this.tokens = tokens;
        var columns = adoption.Columns;
        reader = new RowReader(
            adoption,
            [.. columns.Select(column => $"CASE WHEN t.{column.QuotedOld} IS NULL THEN {(column.TextTokens ? $"convert_to(t.{column.Quoted}, 'UTF8')" : "t." + column.Quoted)} END")],
            Missing(adoption), secret, lockRows: true);
        writer = new RowWriter(
            adoption, [.. columns.Select(column => (column.QuotedOld, (Func<string, string>)(value => column.Write(value, "$1"))))], secret);
    }

    /// <summary>How many rows lack an old value.</summary>
    public static Task<long> CountMissingAsync(NpgsqlConnection connection, Adoption adoption, CancellationToken cancellation) =>
        Sql.ScalarAsync<long>(connection, $"SELECT count(*) FROM {adoption.Table.Quoted} t WHERE {Missing(adoption)}", cancellation);

    /// <summary>From the beginning of the table again.</summary>
    public void Restart() => reader.Restart();

    /// <summary>One batch, in the transaction of the connection.</summary>
    /// <returns>Rows written; 0 at the end of the table.</returns>
    public async Task<int> RestoreAsync(NpgsqlConnection connection, CancellationToken cancellation)
    {
        await writer.AnnounceAsync(connection, cancellation).ConfigureAwait(false);
        var rows = await reader.ReadAsync(connection, cancellation).ConfigureAwait(false);
        var values = new List<byte[]?[]>(rows.Count);
        try
        {
            foreach (var row in rows)
            {
                var plain = new byte[]?[adoption.Columns.Count];
                values.Add(plain);
                for (var index = 0; index < plain.Length; index++)
                {
                    if (row.Values[index] is { } token)
                    {
                        plain[index] = await tokens.DecryptAsync(row, index, token, cancellation).ConfigureAwait(false);
                    }
                }
            }
            if (rows.Count > 0)
            {
                await writer.WriteAsync(connection, rows, values, cancellation).ConfigureAwait(false);
            }
            return rows.Count;
        }
        finally
        {
            foreach (var value in values.SelectMany(row => row))
            {
                CryptographicOperations.ZeroMemory(value);
            }
        }
    }

    private static string Missing(Adoption adoption) => string.Join(
        " OR ", adoption.Columns.Select(column => $"(t.{column.Quoted} IS NOT NULL AND t.{column.QuotedOld} IS NULL)"));
}
