using System.Text.Json;
using System.Text.RegularExpressions;
using Dapper;
using KeyService.Crypto;

namespace KeyService.IntegrationTests.Recovery;

/// <summary>The SQL of docs/recovery/README.md writes lines that the recovery file reads.</summary>
public sealed partial class GuideStatementsTests(PostgresFixture postgres) : IClassFixture<PostgresFixture>
{
    [Fact]
    public async Task Statements_of_the_guide_write_tokens_contexts_and_wrapped_keys()
    {
        await using var connection = await postgres.OpenAsync(await postgres.CreateDatabaseAsync("left"));
        byte[] token = [0x11, .. Enumerable.Range(1, 150).Select(i => (byte)(i * 83))];
        var (id, wrapped) = (token[..16], token[20..89]);
        await connection.ExecuteAsync(
            """
            CREATE TABLE patient (id integer, phone text, name bytea);
            INSERT INTO patient VALUES (4711, @text, @token), (4712, NULL, NULL);
            CREATE TABLE keyservice_wrapped_keys (id bytea, wrapped bytea, context bytea);
            INSERT INTO keyservice_wrapped_keys VALUES (@id, @wrapped, '\x0000');
            """, new { text = FieldTokenText.Format(token), token, id, wrapped });

        var guide = await File.ReadAllTextAsync(Path.Combine(RecoveryFile.Directory, "README.md"));
        var statements = Statements().Match(guide).Groups[1].Value.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(3, statements.Length);
        foreach (var (column, statement) in new[] { "phone", "name" }.Zip(statements))
        {
            var line = JsonDocument.Parse(Assert.Single(await connection.QueryAsync<string>(statement))).RootElement;
            Assert.Equal(FieldTokenText.Format(token), line.GetProperty("token").GetString());
            Assert.Equal(["ehr", "patient", column, "4711"], line.GetProperty("context").EnumerateObject().Select(pair => pair.Value.GetString()));
        }

        var keys = JsonDocument.Parse(Assert.Single(await connection.QueryAsync<string>(statements[2]))).RootElement;
        Assert.Equal([Convert.ToHexStringLower(id), Convert.ToHexStringLower(wrapped), "0000"], keys.EnumerateObject().Select(pair => pair.Value.GetString()));
    }

    [GeneratedRegex(@"^```sql\n(.*?)^```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Statements();
}
