using KeyService.Cli.CommandLine;
using Npgsql;

namespace KeyService.Cli.Adopt;

/// <summary>Makes the tokens that are missing beside their values, batch by batch, each batch a transaction of its own.</summary>
internal sealed class TokenFilling
{
    private readonly Adoption adoption;
    private readonly ColumnTokens tokens;
    private readonly RowReader reader;
    private readonly RowWriter writer;

    public TokenFilling(Adoption adoption, ColumnTokens tokens, ReadOnlyMemory<byte> secret)
    {
        this.adoption = adoption;
        this.tokens = tokens;
        var columns = adoption.Columns;
        reader = new RowReader(
            adoption,
            [.. columns.Select(column => $"CASE WHEN t.{column.QuotedToken} IS NULL THEN {column.Read("t." + column.Quoted, "$1")} END")],
            Missing(adoption), secret, lockRows: true);
        writer = new RowWriter(
            adoption,
            [.. columns.Select(column => (column.QuotedToken, (Func<string, string>)(value => column.TextTokens ? $"convert_from({value}, 'UTF8')" : value)))],
            secret);
    }

    /// <summary>Condition of a row that lacks a token.</summary>
    public static string Missing(Adoption adoption) => string.Join(
        " OR ", adoption.Columns.Select(column => $"(t.{column.Quoted} IS NOT NULL AND t.{column.QuotedToken} IS NULL)"));

    /// <summary>How many rows lack a token.</summary>
    public static Task<long> CountMissingAsync(NpgsqlConnection connection, Adoption adoption, CancellationToken cancellation) =>
        Sql.ScalarAsync<long>(connection, $"SELECT count(*) FROM {adoption.Table.Quoted} t WHERE {Missing(adoption)}", cancellation);

    /// <summary>From the beginning of the table again, for rows that somebody else held or changed.</summary>
    public void Restart() => reader.Restart();

    /// <summary>One batch, in the transaction of the connection.</summary>
    /// <returns>Rows written; 0 at the end of the table.</returns>
    public async Task<int> FillAsync(NpgsqlConnection connection, CancellationToken cancellation)
    {
        await writer.AnnounceAsync(connection, cancellation).ConfigureAwait(false);
        var rows = await ReadAsync(connection, cancellation).ConfigureAwait(false);
        try
        {
            if (rows.Count > 0)
            {
                var made = new List<byte[]?[]>(rows.Count);
                foreach (var row in rows)
                {
                    made.Add(await tokens.EncryptAsync(row, cancellation).ConfigureAwait(false));
                }
                await writer.WriteAsync(connection, rows, made, cancellation).ConfigureAwait(false);
            }
            return rows.Count;
        }
        finally
        {
            foreach (var row in rows)
            {
                row.Dispose();
            }
        }
    }

    private async Task<IReadOnlyList<AdoptedRow>> ReadAsync(NpgsqlConnection connection, CancellationToken cancellation)
    {
        try
        {
            return await reader.ReadAsync(connection, cancellation).ConfigureAwait(false);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.ExternalRoutineInvocationException)
        {
            throw new CliError(
                ExitCode.NotVerified, "PGCRYPTO_FAILED", $"pgcrypto does not open a value of {adoption.Table.Display}: {e.MessageText}",
                "Check the key file and the form of the column. Nothing of this batch was written; keyservice adopt undo takes back the rest.", e);
        }
    }
}
