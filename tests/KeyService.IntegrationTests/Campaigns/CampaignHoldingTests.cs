using System.Text.Json;
using Dapper;
using KeyService.Client;
using KeyService.Crypto;
using KeyService.IntegrationTests.Sdk;
using KeyService.Protocol.V1;
using Npgsql;

namespace KeyService.IntegrationTests.Campaigns;

/// <summary>Every kind of holding, worked off by the real command: what was encrypted before reads the same afterwards.</summary>
public sealed class CampaignHoldingTests(ServiceFixture service, PostgresFixture postgres)
    : IClassFixture<ServiceFixture>, IClassFixture<PostgresFixture>, IAsyncLifetime
{
    private KeyServiceClient client = null!;

    public async ValueTask InitializeAsync()
    {
        await CampaignGrants.GiveAsync(service, "database");
        client = KeyServiceClient.Connect(ClientProfile.Load(service.Database.ProfilePath).ToOptions());
    }

    public ValueTask DisposeAsync()
    {
        client.Dispose();
        return ValueTask.CompletedTask;
    }

    [Theory]
    [InlineData("bytea")]
    [InlineData("text")]
    public async Task Field_tokens_in_a_column_are_encrypted_anew_and_read_the_same(string type)
    {
        var (key, holding, place) = await BeginAsync($"tokens-{type}");
        await using var connection = await OpenAsync(place);
        await connection.ExecuteAsync($"CREATE TABLE note (ward text, number integer, body {type}, PRIMARY KEY (ward, number))");
        var texts = Enumerable.Range(0, 250).Select(i => $"note {i} {new string('x', i * 7 % 900)}").ToList();
        for (var i = 0; i < texts.Count; i++)
        {
            var token = (await client.Cipher.EncryptAsync(key, Context(i), System.Text.Encoding.UTF8.GetBytes(texts[i]))).Token.ToArray();
            await connection.ExecuteAsync(
                "INSERT INTO note VALUES (@ward, @number, @body)",
                new { ward = $"ward {i % 3}", number = i, body = type == "text" ? (object)FieldTokenText.Format(token) : token });
        }
        await connection.ExecuteAsync("INSERT INTO note VALUES ('empty', 1, NULL)");
        await RegisterAsync(
            holding, key, "postgres-column", "--table", "public.note", "--column", "body", "--content", "field-tokens",
            "--context", "table=note", "--context-column", "ward=ward", "--context-column", "number=number");
        await StartAsync(key, holding, "reencrypt");

        var done = await RunAsync(holding, place, 0);
        Assert.Equal((250, 0, 0), Numbers(done));
        foreach (var row in await connection.QueryAsync<(int Number, string Body)>(
            $"SELECT number, {(type == "text" ? "body" : "encode(body, 'hex')")} FROM note WHERE body IS NOT NULL"))
        {
            var token = type == "text" && FieldTokenText.TryParse(row.Body, out var parsed) ? parsed : Convert.FromHexString(row.Body);
            var plain = await client.Cipher.DecryptAsync(Context(row.Number), token);
            Assert.Equal(texts[row.Number], System.Text.Encoding.UTF8.GetString(plain.Plaintext.Span));
        }
        Assert.Equal((0, 0, 0), Numbers(await RunAsync(holding, place, 0)));
        await EndAsync(holding);
    }

    [Fact]
    public async Task A_row_that_does_not_open_is_named_and_keeps_no_other_from_it()
    {
        var (key, holding, place) = await BeginAsync("foreign-row");
        await using var connection = await OpenAsync(place);
        await connection.ExecuteAsync("CREATE TABLE \"Odd Table\" (id uuid PRIMARY KEY, \"K\" bytea)");
        var good = (await client.DataKeys.GenerateAsync(key, DataKeyScope.General(EncryptionContext.Empty), withoutPlaintext: true)).Wrapped.ToArray();
        var other = (await client.DataKeys.GenerateAsync(key, DataKeyScope.General(Context(1)), withoutPlaintext: true)).Wrapped.ToArray();
        await connection.ExecuteAsync(
            "INSERT INTO \"Odd Table\" VALUES ('00000000-0000-0000-0000-000000000001', @good), ('00000000-0000-0000-0000-000000000002', @other), "
            + "('00000000-0000-0000-0000-000000000003', @short)",
            new { good, other, @short = new byte[5] });
        await RegisterAsync(holding, key, "postgres-column", "--table", "public.Odd Table", "--column", "K");
        await StartAsync(key, holding, "rewrap");

        var done = await RunAsync(holding, place, 1);
        Assert.Equal((1, 1, 1), Numbers(done));
        Assert.Equal(1, done.GetProperty("unknown_items").GetInt64());
        Assert.Equal("00000000-0000-0000-0000-000000000002: DECRYPTION_FAILED", Assert.Single(done.GetProperty("failures").EnumerateArray()).GetString());
        var refused = await service.RunCliAsync(service.Administrator, "campaign", "end", holding);
        refused.ExpectExit(1);
        Assert.Contains($"{holding}: 1 items left", refused.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_value_that_the_application_writes_meanwhile_is_not_overwritten()
    {
        var (key, holding, place) = await BeginAsync("concurrent");
        await using var connection = await OpenAsync(place);
        await connection.ExecuteAsync("CREATE TABLE item (id bigint PRIMARY KEY, k bytea, writes integer NOT NULL DEFAULT 0)");
        var wrapped = await client.DataKeys.GenerateManyAsync(key, EncryptionContext.Empty, 200, withoutPlaintext: true);
        await connection.ExecuteAsync("INSERT INTO item (id, k) SELECT i, k FROM unnest(@ids, @keys) AS v(i, k)",
            new { ids = Enumerable.Range(0, 200).Select(i => (long)i).ToArray(), keys = wrapped.Select(each => each.Wrapped.ToArray()).ToArray() });
        await RegisterAsync(holding, key, "postgres-column", "--table", "public.item", "--column", "k");
        await StartAsync(key, holding, "rewrap");

        // The application holds the row while the command reads its old value; it commits its own new one, and the command must not win.
        await using var application = await OpenAsync(place);
        var newest = (await client.DataKeys.GenerateAsync(key, DataKeyScope.General(EncryptionContext.Empty), withoutPlaintext: true)).Wrapped.ToArray();
        await using var transaction = await application.BeginTransactionAsync();
        await application.ExecuteAsync("UPDATE item SET k = @newest, writes = 1 WHERE id = 7", new { newest }, transaction);
        var running = RunAsync(holding, place, 0);
        await Until.TrueAsync(
            async () =>
            {
                Assert.False(running.IsCompleted);
                return await connection.ExecuteScalarAsync<long>(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") > 0;
            },
            "the command at the row that is held");
        await transaction.CommitAsync();
        Assert.Equal((199, 0, 0), Numbers(await running));
        Assert.Equal(newest, await connection.ExecuteScalarAsync<byte[]>("SELECT k FROM item WHERE id = 7"));
    }

    [Fact]
    public async Task The_table_of_the_SDK_is_re_wrapped_and_every_field_reads_as_before()
    {
        var (key, holding, place) = await BeginAsync("sdk-table");
        await using var source = NpgsqlDataSource.Create(place);
        var table = new WrappedKeyTable(source);
        await table.CreateAsync();
        var column = new EncryptedColumn("ehr", "patient", "name");
        await using (var fields = client.CreateFieldEncryption(new FieldEncryptionOptions { Key = key, Table = table }))
        {
            var token = await fields.EncryptAsync(column.Row(7L), "Grünspan");
            await RegisterAsync(holding, key, "sdk-key-table");
            await StartAsync(key, holding, "rewrap");
            Assert.Equal((1, 0, 0), Numbers(await RunAsync(holding, place, 0)));
            await using var again = client.CreateFieldEncryption(new FieldEncryptionOptions { Key = key, Table = table });
            Assert.Equal("Grünspan", await again.DecryptToTextAsync(column.Row(7L), token));
        }
        await EndAsync(holding);
    }

    [Theory]
    [InlineData("rewrap")]
    [InlineData("reencrypt")]
    public async Task A_directory_of_archives_is_worked_off_and_every_archive_restores(string kind)
    {
        var (key, holding, _) = await BeginAsync($"dumps-{kind}");
        var directory = Directory.CreateDirectory(Path.Combine(service.Directory, holding, "2026")).Parent!.FullName;
        for (var i = 0; i < 4; i++)
        {
            (await service.RunCliAsync(service.Database, Contents(i), "encrypt", "--quiet", "--key", key, "--context", $"day={i}", "-o",
                Path.Combine(directory, i % 2 == 0 ? "2026" : "", $"{i}.ksa"))).ExpectExit(0);
        }
        await File.WriteAllTextAsync(Path.Combine(directory, "broken.ksa"), "no archive");
        await RegisterAsync(holding, key, "archive-directory");
        await StartAsync(key, holding, kind);
        var before = await File.ReadAllBytesAsync(Path.Combine(directory, "1.ksa"));

        var done = await RunAsync(holding, directory, 0);
        Assert.Equal((4, 0, 0), Numbers(done));
        Assert.Equal(1, done.GetProperty("unknown_items").GetInt64());
        for (var i = 0; i < 4; i++)
        {
            var path = Path.Combine(directory, i % 2 == 0 ? "2026" : "", $"{i}.ksa");
            Assert.Equal(Contents(i), (await service.RunCliAsync(service.Database, "decrypt", "--quiet", "--context", $"day={i}", path)).ExpectExit(0).Output);
        }
        var after = await File.ReadAllBytesAsync(Path.Combine(directory, "1.ksa"));
        // Re-wrapped, the payload is the same to the last byte; encrypted anew, nothing of it is.
        Assert.Equal(kind == "rewrap", before.AsSpan(before.Length - 4096).SequenceEqual(after.AsSpan(after.Length - 4096)));
        Assert.Empty(Directory.GetFiles(directory, ".*.tmp", SearchOption.AllDirectories));
        await EndAsync(holding);
    }

    [Fact]
    public async Task A_write_once_directory_is_counted_and_stays_as_it_is()
    {
        var (key, holding, _) = await BeginAsync("vault");
        var directory = Directory.CreateDirectory(Path.Combine(service.Directory, holding)).FullName;
        var archive = Path.Combine(directory, "a.ksa");
        (await service.RunCliAsync(service.Database, Contents(1), "encrypt", "--quiet", "--key", key, "-o", archive)).ExpectExit(0);
        await RegisterAsync(holding, key, "archive-directory", "--write-once-until", "3650d");
        await StartAsync(key, holding, "rewrap");
        var before = await File.ReadAllBytesAsync(archive);

        var done = await RunAsync(holding, directory, 1);
        Assert.Equal((0, 0, 1), Numbers(done));
        Assert.Contains("write-once until", done.GetProperty("idle").GetString(), StringComparison.Ordinal);
        Assert.Equal(before, await File.ReadAllBytesAsync(archive));
        (await service.RunCliAsync(service.Administrator, "campaign", "end", holding)).ExpectExit(1);
        var proof = (await service.RunCliAsync(service.Administrator, "campaign", "end", holding, "--accept-pinned", "--json")).ExpectExit(0);
        Assert.EndsWith($"until their retention ends: {holding}.", JsonDocument.Parse(proof.Text).RootElement.GetProperty("statement").GetString());
    }

    [Fact]
    public async Task Who_does_not_own_a_holding_changes_nothing_in_it()
    {
        var (key, holding, _) = await BeginAsync("owned");
        var directory = Directory.CreateDirectory(Path.Combine(service.Directory, holding)).FullName;
        var archive = Path.Combine(directory, "a.ksa");
        (await service.RunCliAsync(service.Database, Contents(1), "encrypt", "--quiet", "--key", key, "-o", archive)).ExpectExit(0);
        await RegisterAsync(holding, key, "archive-directory");
        await StartAsync(key, holding, "rewrap");
        await CampaignGrants.GiveAsync(service, "backup");
        var before = await File.ReadAllBytesAsync(archive);

        (await service.RunCliAsync(service.Backup, "campaign", "run", holding, "--at", $"{holding}={directory}")).ExpectExit(3);
        Assert.Equal(before, await File.ReadAllBytesAsync(archive));
    }

    private static EncryptionContext Context(int i) => EncryptionContext.Create(
        [new("table", "note"), new("ward", $"ward {i % 3}"), new("number", i.ToString(System.Globalization.CultureInfo.InvariantCulture))]);

    private static byte[] Contents(int i) => [.. Enumerable.Range(0, 60_000 + i).Select(n => (byte)(n * (i + 3)))];

    private static (long Changed, long Failed, long Left) Numbers(JsonElement answer) => (
        answer.GetProperty("changed").GetInt64(), answer.GetProperty("failed").GetInt64(), answer.GetProperty("items_left").GetInt64());

    private async Task<(string Key, string Name, string Place)> BeginAsync(string name)
    {
        await service.CreateKeyAsync($"ehr/{name}");
        return ($"ehr/{name}", name, postgres.ConnectionString(await postgres.CreateDatabaseAsync("campaign")));
    }

    private static async Task<NpgsqlConnection> OpenAsync(string place)
    {
        var connection = new NpgsqlConnection(place);
        await connection.OpenAsync();
        return connection;
    }

    private async Task RegisterAsync(string holding, string key, string kind, params string[] more) =>
        (await service.RunCliAsync(
            service.Administrator,
            ["holding", "register", holding, "--kind", kind, "--key", key, "--owner", "database", "--location", "a test's", .. more])).ExpectExit(0);

    private async Task StartAsync(string key, string campaign, string kind)
    {
        (await service.RunCliAsync(service.Administrator, "key", "rotate", key)).ExpectExit(0);
        (await service.RunCliAsync(service.Administrator, "campaign", "start", campaign, "--key", key, "--kind", kind)).ExpectExit(0);
    }

    private async Task<JsonElement> RunAsync(string campaign, string place, int exitCode) => JsonDocument.Parse((await service.RunCliAsync(
        service.Database, "campaign", "run", campaign, "--at", $"{campaign}={place}", "--json")).ExpectExit(exitCode).Text).RootElement;

    private async Task EndAsync(string campaign)
    {
        (await service.RunCliAsync(service.Administrator, "campaign", "end", campaign)).ExpectExit(0);
        (await service.RunCliAsync(service.Administrator, "campaign", "proof", campaign)).ExpectExit(0);
    }
}
