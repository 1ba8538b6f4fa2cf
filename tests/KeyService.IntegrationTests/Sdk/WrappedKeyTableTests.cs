using System.Transactions;
using Dapper;
using KeyService.Client;
using KeyService.Crypto;
using KeyService.IntegrationTests.Service;
using Npgsql;

namespace KeyService.IntegrationTests.Sdk;

/// <summary>The table of wrapped keys in PostgreSQL: durable apart from every transaction of the caller's, re-wrapped in place.</summary>
[Collection(RunningService.Name)]
public sealed class WrappedKeyTableTests(ServiceFixture service, PostgresFixture postgres) : IClassFixture<PostgresFixture>, IAsyncLifetime
{
    private static readonly EncryptedColumn Ssn = new("ehr", "patient", "ssn");
    private KeyServiceClient client = null!;
    private NpgsqlDataSource source = null!;
    private WrappedKeyTable table = null!;
    private string key = "";

    public async ValueTask InitializeAsync()
    {
        client = service.Connect(service.Database);
        source = NpgsqlDataSource.Create(postgres.ConnectionString(await postgres.CreateDatabaseAsync("wrapped")));
        table = new WrappedKeyTable(source);
        await table.CreateAsync();
        await table.CreateAsync();
        key = (await Calls.NewKeyAsync(service)).Name;
    }

    public async ValueTask DisposeAsync()
    {
        client.Dispose();
        await source.DisposeAsync();
    }

    private FieldEncryption Fields() => client.CreateFieldEncryption(new FieldEncryptionOptions { Key = key, Table = table });

    [Fact]
    public async Task A_transaction_of_the_callers_that_rolls_back_takes_no_data_key_along()
    {
        await using var fields = Fields();
        byte[] token;
        using (new TransactionScope(TransactionScopeOption.Required, TransactionScopeAsyncFlowOption.Enabled))
        {
            await using var connection = await source.OpenConnectionAsync();
            token = await fields.EncryptAsync(Ssn.Row(1), new byte[] { 7 }.AsMemory());
            await connection.ExecuteAsync("CREATE TABLE gone (id int)");
        }
        Assert.Equal(1, await table.CountAsync());
        await using var reader = Fields();
        Assert.Equal([7], await reader.DecryptAsync(Ssn.Row(1), token.AsMemory()));
    }

    [Fact]
    public async Task It_waits_for_the_disk_where_the_database_was_told_not_to()
    {
        await using var connection = await source.OpenConnectionAsync();
        await connection.ExecuteAsync(
            $"""
            ALTER DATABASE {connection.Database} SET synchronous_commit = off;
            CREATE TABLE seen (value text);
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NEW; END $$;
            CREATE TRIGGER note AFTER INSERT OR UPDATE ON {table.Name} FOR EACH ROW EXECUTE FUNCTION note();
            """);
        await using var fields = Fields();
        await fields.EncryptAsync(Ssn.Row(1), new byte[] { 7 }.AsMemory());
        await Calls.RotateAsync(service, key);
        await table.RewrapAsync(client);

        Assert.Equal("off", await connection.QuerySingleAsync<string>(
            "SELECT setconfig[1] FROM pg_db_role_setting WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())")
            is { } setting ? setting.Split('=')[1] : "");
        Assert.Equal(["on", "on"], await connection.QueryAsync<string>("SELECT value FROM seen"));
    }

    [Fact]
    public async Task Re_wrapping_touches_every_row_and_no_token_and_leaves_what_fails()
    {
        var tokens = new List<byte[]>();
        for (var i = 0; i < 4; i++)
        {
            await using var writer = Fields();
            tokens.Add(await writer.EncryptAsync(Ssn.Row(i + 1), new[] { (byte)i }.AsMemory()));
        }
        await using var connection = await source.OpenConnectionAsync();
        var damaged = tokens[3].AsSpan(1, 16).ToArray();
        await connection.ExecuteAsync($"UPDATE {table.Name} SET wrapped = set_byte(wrapped, 40, 255 - get_byte(wrapped, 40)) WHERE id = @damaged", new { damaged });
        var before = await connection.ExecuteScalarAsync<byte[]>($"SELECT wrapped FROM {table.Name} WHERE id = @damaged", new { damaged });
        var newest = (await Calls.RotateAsync(service, key)).Primary.Id;

        var reports = new List<RewrapProgress>();
        var done = await table.RewrapAsync(client, new Immediate(reports.Add));

        Assert.Equal((4, 3, 0), (done.Seen, done.Rewrapped, done.Newest));
        var failure = Assert.Single(done.Failures);
        Assert.Equal((Convert.ToHexString(damaged), "DECRYPTION_FAILED"), (Convert.ToHexString(failure.Id.Span), failure.Reason));
        Assert.Equal(done.Seen, reports[^1].Seen);
        Assert.Equal(before, await connection.ExecuteScalarAsync<byte[]>($"SELECT wrapped FROM {table.Name} WHERE id = @damaged", new { damaged }));
        await foreach (var row in table.ListAsync())
        {
            Assert.Equal(row.Id.Span.SequenceEqual(damaged), row.KeyVersion != newest);
        }
        await using var reader = Fields();
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal([(byte)i], await reader.DecryptAsync(Ssn.Row(i + 1), tokens[i].AsMemory()));
        }

        // Again: nothing is left to do, and what failed still fails.
        var again = await table.RewrapAsync(client);
        Assert.Equal((4, 0, 3, 1), (again.Seen, again.Rewrapped, again.Newest, again.Failures.Count));
    }

    [Theory]
    [InlineData("Keys")]
    [InlineData("keys; DROP TABLE patient")]
    [InlineData("a.b.c")]
    [InlineData("")]
    [InlineData("keys\n")]
    public void A_name_that_is_no_name_is_refused(string name) =>
        Assert.Throws<ArgumentException>(() => new WrappedKeyTable(source, name));

    private sealed class Immediate(Action<RewrapProgress> report) : IProgress<RewrapProgress>
    {
        public void Report(RewrapProgress value) => report(value);
    }
}
