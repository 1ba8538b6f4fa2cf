using System.Text;
using Dapper;
using Google.Protobuf;
using KeyService.Protocol.V1;
using Npgsql;

namespace KeyService.IntegrationTests.RealInput;

/// <summary>
/// Encrypts columns as an EHR would: EncryptBatch with table and column in the shared context and the row's id in each item's, so that no
/// ciphertext can be moved to another table, column or row. Batches stay within the limits of a call.
/// </summary>
internal sealed class ColumnCipher(Cipher.CipherClient cipher, string key)
{
    private const int MaxItems = 10_000;
    private const int MaxBytes = 2_500_000;

    public async Task SealAsync(NpgsqlConnection connection, string table, string[] columns)
    {
        await connection.ExecuteAsync(
            $"INSERT INTO {table}_sealed (id, document) SELECT id, '' FROM {table}");
        foreach (var column in columns)
        {
            var rows = (await connection.QueryAsync<(string Id, string Text)>(
                $"SELECT id, {column} FROM {table} WHERE {column} IS NOT NULL ORDER BY id")).ToList();
            foreach (var batch in Batches(rows, row => row.Text.Length * 3))
            {
                var request = new EncryptBatchRequest { Key = key, Context = Context(("table", table), ("column", column)) };
                request.Items.AddRange(batch.Select(row => new EncryptItem
                {
                    Plaintext = ByteString.CopyFromUtf8(row.Text), Context = Context(("row", row.Id)),
                }));
                var response = await cipher.EncryptBatchAsync(request);
                await connection.ExecuteAsync(
                    $"UPDATE {table}_sealed SET {column} = @Token WHERE id = @Id",
                    batch.Zip(response.Results, (row, result) => new { row.Id, Token = Data(result) }));
            }
        }
    }

    /// <summary>Decrypts every encrypted column and returns "table.column row" -> text.</summary>
    public async Task<Dictionary<string, string>> OpenAsync(NpgsqlConnection connection, string table, string[] columns)
    {
        var opened = new Dictionary<string, string>();
        foreach (var column in columns)
        {
            var rows = (await connection.QueryAsync<(string Id, byte[] Token)>(
                $"SELECT id, {column} FROM {table}_sealed WHERE {column} IS NOT NULL ORDER BY id")).ToList();
            foreach (var batch in Batches(rows, row => row.Token.Length))
            {
                foreach (var (row, result) in batch.Zip(await DecryptAsync(table, column, batch)))
                {
                    opened[$"{table}.{column} {row.Id}"] = Encoding.UTF8.GetString(Data(result));
                }
            }
        }
        return opened;
    }

    public async Task<IReadOnlyList<CipherResult>> DecryptAsync(string table, string column, IReadOnlyList<(string Id, byte[] Token)> rows)
    {
        var request = new DecryptBatchRequest { Context = Context(("table", table), ("column", column)) };
        request.Items.AddRange(rows.Select(row => new DecryptItem
        {
            Ciphertext = ByteString.CopyFrom(row.Token), Context = Context(("row", row.Id)),
        }));
        return (await cipher.DecryptBatchAsync(request)).Results;
    }

    /// <summary>What the plain tables hold, in the form <see cref="OpenAsync"/> answers.</summary>
    public static async Task<Dictionary<string, string>> PlainAsync(NpgsqlConnection connection, string table, string[] columns)
    {
        var plain = new Dictionary<string, string>();
        foreach (var column in columns)
        {
            foreach (var (id, text) in await connection.QueryAsync<(string Id, string Text)>(
                $"SELECT id, {column} FROM {table} WHERE {column} IS NOT NULL"))
            {
                plain[$"{table}.{column} {id}"] = text;
            }
        }
        return plain;
    }

    public static Context Context(params (string Key, string Value)[] pairs)
    {
        var context = new Context();
        context.Entries.AddRange(pairs.Select(pair => new ContextEntry { Key = pair.Key, Value = pair.Value }));
        return context;
    }

    private static byte[] Data(CipherResult result)
    {
        Assert.Equal(CipherResult.ResultOneofCase.Data, result.ResultCase);
        return result.Data.ToByteArray();
    }

    private static IEnumerable<List<T>> Batches<T>(IEnumerable<T> rows, Func<T, int> size)
    {
        var batch = new List<T>();
        var bytes = 0;
        foreach (var row in rows)
        {
            // 160: the item's context and framing.
            var next = size(row) + 160;
            if (batch.Count == MaxItems || (batch.Count > 0 && bytes + next > MaxBytes))
            {
                yield return batch;
                (batch, bytes) = ([], 0);
            }
            batch.Add(row);
            bytes += next;
        }
        if (batch.Count > 0)
        {
            yield return batch;
        }
    }
}
