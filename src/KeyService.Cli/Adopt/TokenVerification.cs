using System.Security.Cryptography;
using KeyService.Cli.CommandLine;
using Npgsql;

namespace KeyService.Cli.Adopt;

/// <summary>Opens every token and compares it with the value that stands beside it.</summary>
internal sealed class TokenVerification
{
    private readonly Adoption adoption;
    private readonly ColumnTokens tokens;
    private readonly RowReader reader;

    /// <param name="adoption">What to verify; after the switch the old value stands aside.</param>
    /// <param name="tokens">Opens tokens.</param>
    /// <param name="secret">pgcrypto's key; empty when there is none.</param>
    public TokenVerification(Adoption adoption, ColumnTokens tokens, ReadOnlyMemory<byte> secret)
    {
        this.adoption = adoption;
        this.tokens = tokens;
        var switched = adoption.Stage == AdoptionStage.Switched;
        var pairs = adoption.Columns.Select(column => switched
            ? (Column: column, Value: "t." + column.QuotedOld, Token: "t." + column.Quoted)
            : (Column: column, Value: "t." + column.Quoted, Token: "t." + column.QuotedToken)).ToList();
        reader = new RowReader(
            adoption,
            [
                .. pairs.Select(pair => pair.Column.Read(pair.Value, "$1")),
                .. pairs.Select(pair => pair.Column.TextTokens ? $"convert_to({pair.Token}, 'UTF8')" : pair.Token),
            ],
            string.Join(" OR ", pairs.Select(pair => $"{pair.Value} IS NOT NULL OR {pair.Token} IS NOT NULL")), secret, lockRows: false);
    }

    /// <summary>Values that have no token. After the switch the application may have written NULL over a token, so that there are none.</summary>
    public long Missing { get; private set; }

    /// <summary>Tokens that were opened and compared.</summary>
    public long Compared { get; private set; }

    /// <summary>Tokens without a value beside them, which the application wrote after the switch: they were opened.</summary>
    public long Opened { get; private set; }

    /// <summary>One batch.</summary>
    /// <returns>Rows looked at; 0 at the end of the table.</returns>
    public async Task<int> VerifyAsync(NpgsqlConnection connection, CancellationToken cancellation)
    {
        var rows = await reader.ReadAsync(connection, cancellation).ConfigureAwait(false);
        foreach (var row in rows)
        {
            using (row)
            {
                await VerifyAsync(row, cancellation).ConfigureAwait(false);
            }
        }
        return rows.Count;
    }

    private async Task VerifyAsync(AdoptedRow row, CancellationToken cancellation)
    {
        for (var index = 0; index < adoption.Columns.Count; index++)
        {
            var value = row.Values[index];
            var token = row.Values[adoption.Columns.Count + index];
            if (token is null)
            {
                Missing += value is null ? 0 : 1;
                continue;
            }
            var plaintext = await tokens.DecryptAsync(row, index, token, cancellation).ConfigureAwait(false);
            var same = value is not null && plaintext.AsSpan().SequenceEqual(value);
            CryptographicOperations.ZeroMemory(plaintext);
            if (value is null)
            {
                Opened++;
            }
            else if (same)
            {
                Compared++;
            }
            else
            {
                throw new CliError(
                    ExitCode.NotVerified, "ADOPTION_NOT_VERIFIED",
                    $"{adoption.Columns[index].Name} of row {row.KeyText} is not what its token holds",
                    "Nothing was removed. Find out who writes the column beside the application; keyservice adopt undo takes the adoption back.");
            }
        }
    }
}
