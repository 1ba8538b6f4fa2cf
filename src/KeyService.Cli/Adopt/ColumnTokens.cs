using System.Data.Common;
using System.Text;
using KeyService.Cli.CommandLine;
using KeyService.Client;
using KeyService.Crypto;

namespace KeyService.Cli.Adopt;

/// <summary>Makes and opens the tokens of an adoption's columns, each bound to its row, as the application will.</summary>
internal sealed class ColumnTokens : IAsyncDisposable
{
    private readonly Adoption adoption;
    private readonly WrappedKeyTable wrappedKeys;
    private readonly FieldEncryption fields;
    private readonly EncryptedColumn[] columns;

    public ColumnTokens(KeyServiceClient client, DbDataSource database, Adoption adoption)
    {
        this.adoption = adoption;
        wrappedKeys = new WrappedKeyTable(database);
        fields = client.CreateFieldEncryption(new FieldEncryptionOptions { Key = adoption.Key, Table = wrappedKeys });
        columns = [.. adoption.Columns.Select(column => new EncryptedColumn(adoption.Scope, adoption.Table.Name, column.Name))];
    }

    /// <summary>Makes the table of wrapped keys, and one token that nobody keeps: so that what is not allowed is known before anything is changed.</summary>
    public async Task ProbeAsync(CancellationToken cancellation)
    {
        await wrappedKeys.CreateAsync(cancellation).ConfigureAwait(false);
        var row = columns[0].Row("probe");
        var token = await fields.EncryptAsync(row, new byte[1].AsMemory(), cancellation).ConfigureAwait(false);
        await fields.DecryptAsync(row, token.AsMemory(), cancellation).ConfigureAwait(false);
    }

    /// <summary>A token for each value of the row; null where there is no value.</summary>
    public async ValueTask<byte[]?[]> EncryptAsync(AdoptedRow row, CancellationToken cancellation)
    {
        var tokens = new byte[]?[columns.Length];
        for (var index = 0; index < columns.Length; index++)
        {
            if (row.Values[index] is not { } value)
            {
                continue;
            }
            if (value.Length > FieldToken.MaxPlaintextLength)
            {
                throw new CliError(
                    ExitCode.Failed, "TABLE_NOT_ADOPTABLE",
                    $"{columns[index].Column} of row {row.KeyText} has {value.Length} bytes; a field has {FieldToken.MaxPlaintextLength} at most",
                    "Keep documents of that size as archives. keyservice adopt undo takes back what was done.");
            }
            var token = await fields.EncryptAsync(Context(index, row), value.AsMemory(), cancellation).ConfigureAwait(false);
            tokens[index] = adoption.Columns[index].TextTokens ? Encoding.ASCII.GetBytes(FieldTokenText.Format(token)) : token;
        }
        return tokens;
    }

    /// <summary>The value in a token of a column; the caller zeroes it.</summary>
    public async ValueTask<byte[]> DecryptAsync(AdoptedRow row, int index, byte[] token, CancellationToken cancellation)
    {
        byte[]? binary = token;
        if (adoption.Columns[index].TextTokens && !FieldTokenText.TryParse(Encoding.UTF8.GetString(token), out binary))
        {
            throw DoesNotOpen(row, index, null);
        }
        try
        {
            return await fields.DecryptAsync(Context(index, row), binary.AsMemory(), cancellation).ConfigureAwait(false);
        }
        catch (KeyServiceException e) when (e.Reason == "DECRYPTION_FAILED")
        {
            throw DoesNotOpen(row, index, e);
        }
    }

    public ValueTask DisposeAsync() => fields.DisposeAsync();

    private CliError DoesNotOpen(AdoptedRow row, int index, Exception? cause) => new(
        ExitCode.NotVerified, "ADOPTION_NOT_VERIFIED", $"{columns[index].Column} of row {row.KeyText} does not open",
        "Nothing was removed. Somebody wrote or moved that token: mend or empty it with the application, or take the adoption back.", cause);

    private RowContext Context(int index, AdoptedRow row)
    {
        var (column, key) = (columns[index], row.Key);
        return key.Length switch
        {
            1 => column.Row(key[0]),
            2 => column.Row(key[0], key[1]),
            3 => column.Row(key[0], key[1], key[2]),
            _ => column.Row(key[0], key[1], key[2], key[3]),
        };
    }
}
