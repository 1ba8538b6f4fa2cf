using System.Text;
using Dapper;
using KeyService.Crypto;

namespace KeyService.IntegrationTests.Adopt;

/// <summary>Plaintext columns become encrypted ones, in place, by the real command on a real PostgreSQL.</summary>
public sealed class AdoptTests(ServiceFixture service, PostgresFixture postgres)
    : IClassFixture<ServiceFixture>, IClassFixture<PostgresFixture>, IAsyncLifetime
{
    private const int Rows = 300;

    private AdoptedDatabase database = null!;

    public async ValueTask InitializeAsync()
    {
        var made = await service.RunCliAsync(service.Administrator, "key", "create", AdoptedDatabase.Key);
        // Another test of the class may have made it.
        Assert.True(made.ExitCode is 0 or 6, made.Error);
        database = await AdoptedDatabase.CreateAsync(service, postgres, Rows);
    }

    public ValueTask DisposeAsync() => database.DisposeAsync();

    [Fact]
    public async Task Columns_are_encrypted_verified_switched_and_committed_and_an_application_reads_what_it_wrote()
    {
        var before = (await database.Connection.QueryAsync<(long Id, string Family, string? Note, string Born, byte[] Photo, string Document, string Weight)>(
            "SELECT id, family, note, born::text, photo, document::text, weight::text FROM patient ORDER BY id")).ToList();

        Answer(await database.StartAsync(), "encrypting", Rows);
        Answer(await database.AdoptAsync("verify"), "verified");
        Answer(await database.AdoptAsync("switch"), "switched");
        Assert.Contains("family bytea not null", await database.ShapeAsync());
        (await database.AdoptAsync("commit")).ExpectExit(2);
        Answer(await database.AdoptAsync("commit", "--yes"), "committed");

        Assert.Equal(
            "born bytea, document bytea, family bytea not null, id bigint not null, note bytea, photo bytea, ssn bytea, ward text not null, weight bytea",
            await database.ShapeAsync());
        await using var fields = Fields();
        foreach (var (id, family, note, born, photo, document, weight) in before)
        {
            Assert.Equal(family, await ReadTextAsync(fields, "family", id));
            Assert.Equal(note, await ReadTextAsync(fields, "note", id));
            Assert.Equal(born, await ReadTextAsync(fields, "born", id));
            Assert.Equal(photo, await ReadAsync(fields, "photo", id));
            Assert.Equal(document, await ReadTextAsync(fields, "document", id));
            Assert.Equal(weight, await ReadTextAsync(fields, "weight", id));
        }
        (await database.AdoptAsync("undo")).ExpectExit(6);
        await AssertNoPlaintextInPagesAsync();
    }

    [Fact]
    public async Task What_pgcrypto_encrypted_is_adopted_and_comes_back_in_its_own_form()
    {
        var keyFile = Path.Combine(service.Directory, $"{database.Name}.pgcrypto");
        await File.WriteAllTextAsync(keyFile, AdoptedDatabase.PgcryptoKey + "\n");
        string[] pgcrypto = ["--pgcrypto", "ssn=pgp-sym", "--pgcrypto-key-file", keyFile];
        var before = await database.DigestAsync();

        (await database.AdoptAsync("start", [.. pgcrypto[..2], "--key", AdoptedDatabase.Key, "--scope", "ehr"])).ExpectExit(2);
        Assert.Equal(before, await database.DigestAsync());
        Answer(await database.AdoptAsync("start", [.. pgcrypto, "--key", AdoptedDatabase.Key, "--scope", "ehr"]), "encrypting", Rows - (Rows / 5));
        Answer(await database.AdoptAsync("verify", pgcrypto[2..]), "verified");
        Answer(await database.AdoptAsync("switch", pgcrypto[2..]), "switched");
        await using (var fields = Fields())
        {
            Assert.Equal("ssn 7", await ReadTextAsync(fields, "ssn", 7));
            Assert.Null(await ReadTextAsync(fields, "ssn", 5));
            await WriteAsync(fields, "ssn", 5, "written since");
        }
        Answer(await database.AdoptAsync("undo", pgcrypto[2..]), "undone", 1);
        Assert.Equal(
            "written since",
            await database.Connection.ExecuteScalarAsync<string>("SELECT pgp_sym_decrypt(ssn, $$" + AdoptedDatabase.PgcryptoKey + "$$) FROM patient WHERE id = 5"));
        Assert.Equal(
            "ssn 7",
            await database.Connection.ExecuteScalarAsync<string>("SELECT pgp_sym_decrypt(ssn, $$" + AdoptedDatabase.PgcryptoKey + "$$) FROM patient WHERE id = 7"));
    }

    [Fact]
    public async Task A_wrong_pgcrypto_key_changes_no_value()
    {
        var keyFile = Path.Combine(service.Directory, $"{database.Name}.wrong");
        await File.WriteAllTextAsync(keyFile, "another key");
        var before = await database.DigestAsync();
        var result = await database.AdoptAsync(
            "start", "--pgcrypto", "ssn=pgp-sym", "--pgcrypto-key-file", keyFile, "--key", AdoptedDatabase.Key);
        Assert.Contains("pgcrypto does not open", result.ExpectExit(4).Error, StringComparison.Ordinal);
        Assert.DoesNotContain("another key", result.Error, StringComparison.Ordinal);
        Answer(await database.AdoptAsync("undo"), "undone");
        Assert.Equal(before, await database.DigestAsync());
    }

    [Fact]
    public async Task Before_the_switch_undo_leaves_the_table_as_it_was()
    {
        var (digest, shape) = (await database.DigestAsync(), await database.ShapeAsync());
        Answer(await database.StartAsync(), "encrypting", Rows);
        Assert.NotEqual(shape, await database.ShapeAsync());
        Answer(await database.AdoptAsync("undo"), "undone");
        Assert.Equal(digest, await database.DigestAsync());
        Assert.Equal(shape, await database.ShapeAsync());
        Assert.Equal(0, await database.Connection.ExecuteScalarAsync<long>(
            "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'patient'::regclass AND NOT tgisinternal"));
    }

    [Fact]
    public async Task After_the_switch_undo_brings_back_what_the_application_wrote_since()
    {
        var shape = await database.ShapeAsync();
        Answer(await database.StartAsync("--text"), "encrypting", Rows);
        Answer(await database.AdoptAsync("verify"), "verified");
        Answer(await database.AdoptAsync("switch"), "switched");
        Assert.Contains("family text not null", await database.ShapeAsync());
        var expected = (await database.Connection.QueryAsync<(long, string)>("SELECT id, family_ks_old FROM patient WHERE id > 2 ORDER BY id")).ToList();
        await using (var fields = Fields())
        {
            await WriteAsync(fields, "family", 1, "changed since", text: true);
            await WriteAsync(fields, "born", 1, "2026-11-23", text: true);
            await WriteAsync(fields, "note", 2, null);
            await database.Connection.ExecuteAsync(
                "INSERT INTO patient (id, ward, family) VALUES (@Id, 'new', @Token)",
                new { Id = 100_000L, Token = FieldTokenText.Format(await fields.EncryptAsync("family", 100_000L, "born since"u8.ToArray())) });
        }
        Answer(await database.AdoptAsync("undo"), "undone", 2);

        Assert.Equal(shape, await database.ShapeAsync());
        Assert.Equal(("changed since", "2026-11-23"), await database.Connection.QuerySingleAsync<(string, string)>(
            "SELECT family, born::text FROM patient WHERE id = 1"));
        Assert.Null(await database.Connection.ExecuteScalarAsync<string?>("SELECT note FROM patient WHERE id = 2"));
        Assert.Equal("born since", await database.Connection.ExecuteScalarAsync<string>("SELECT family FROM patient WHERE id = 100000"));
        Assert.Equal(expected, await database.Connection.QueryAsync<(long, string)>("SELECT id, family FROM patient WHERE id > 2 AND id < 100000 ORDER BY id"));
    }

    [Fact]
    public async Task What_the_application_writes_meanwhile_is_encrypted_too_and_never_an_old_value()
    {
        Answer(await database.StartAsync(), "encrypting", Rows);
        await database.Connection.ExecuteAsync("""
            UPDATE patient SET family = 'married' WHERE id = 1;
            UPDATE patient SET note = NULL WHERE id = 2;
            UPDATE patient SET weight = 80.50 WHERE id = 3;
            UPDATE patient SET id = 5000 WHERE id = 4;
            INSERT INTO patient (id, ward, family, family_ks_token) VALUES (6000, 'new', 'newborn', 'not a token');
            DELETE FROM patient WHERE id = 6
            """);
        (await database.AdoptAsync("verify")).ExpectExit(4);
        (await database.AdoptAsync("switch")).ExpectExit(6);
        // Rows 1, 3, 5000 and 6000; row 2 has nothing to encrypt any more.
        Answer(await database.StartAsync(), "encrypting", 4);
        Answer(await database.AdoptAsync("verify"), "verified");
        // What comes between verify and switch is made up by the switch itself.
        await database.Connection.ExecuteAsync("UPDATE patient SET weight = 81 WHERE id = 3");
        Answer(await database.AdoptAsync("switch"), "switched");
        await using var fields = Fields();
        Assert.Equal("married", await ReadTextAsync(fields, "family", 1));
        Assert.Null(await ReadTextAsync(fields, "note", 2));
        Assert.Equal("81", await ReadTextAsync(fields, "weight", 3));
        Assert.Equal("Grünspan-😀-4", await ReadTextAsync(fields, "family", 5000));
        Assert.Equal("newborn", await ReadTextAsync(fields, "family", 6000));
        // A key changed without new tokens would leave tokens that open for no row.
        var refused = await Assert.ThrowsAsync<Npgsql.PostgresException>(() => database.Connection.ExecuteAsync("UPDATE patient SET id = 7000 WHERE id = 7"));
        Assert.Contains("together with its tokens", refused.MessageText, StringComparison.Ordinal);
        Answer(await database.AdoptAsync("commit", "--yes"), "committed");
    }

    [Fact]
    public async Task Killed_at_any_moment_it_goes_on_where_it_stopped()
    {
        await database.Connection.ExecuteAsync("""
            INSERT INTO patient (id, ward, family) SELECT g, 'many', 'family ' || g FROM generate_series(10000, 13000) g
            """);
        var random = new Random(20261123);
        for (var round = 0; round < 3; round++)
        {
            using var process = System.Diagnostics.Process.Start(Command.StartInfo(
                Executables.Cli,
                ["adopt", "start", "-d", database.ConnectionString, "--table", "patient", "--column", "family", "--column", "note", "--key", AdoptedDatabase.Key, "--scope", "ehr"],
                new Dictionary<string, string?> { ["KEYSERVICE_PROFILE"] = service.Database.ProfilePath }, service.Directory))!;
            // Somewhere between its start and its end; wherever it is, the next has to go on.
            await Task.WhenAny(process.WaitForExitAsync(), Task.Delay(random.Next(300, 1200)));
            process.Kill();
            await process.WaitForExitAsync().WaitAsync(Command.Limit);
        }
        var rest = await UntilUnlockedAsync(() => database.AdoptAsync(
            "start", "--column", "family", "--column", "note", "--key", AdoptedDatabase.Key, "--scope", "ehr"));
        Answer(rest, "encrypting");
        Answer(await database.AdoptAsync("verify"), "verified");
        Answer(await database.AdoptAsync("switch"), "switched");
        await using var fields = Fields();
        Assert.Equal("family 13000", await ReadTextAsync(fields, "family", 13000));
    }

    [Fact]
    public async Task What_would_break_is_refused_with_every_reason_before_anything_is_changed()
    {
        await database.Connection.ExecuteAsync("""
            CREATE INDEX patient_family ON patient (family);
            CREATE VIEW names AS SELECT family FROM patient;
            ALTER TABLE patient ADD CONSTRAINT photo_is_small CHECK (length(photo) < 1000);
            ALTER TABLE patient ALTER note SET DEFAULT 'unknown'
            """);
        var (digest, shape) = (await database.DigestAsync(), await database.ShapeAsync());
        var refusal = (await database.StartAsync("--column", "id")).ExpectExit(1).Error;
        foreach (var named in new[] { "index patient_family", "view names", "constraint photo_is_small", "note has a default", "id is part of the primary key" })
        {
            Assert.Contains(named, refusal, StringComparison.Ordinal);
        }
        await database.Connection.ExecuteAsync("ALTER TABLE patient DROP CONSTRAINT patient_pkey");
        Assert.Contains("no primary key", (await database.StartAsync()).ExpectExit(1).Error, StringComparison.Ordinal);
        Assert.Equal(digest, await database.DigestAsync());
        Assert.Null(await database.Connection.ExecuteScalarAsync<string?>("SELECT to_regclass('keyservice_adoption')::text"));
        await database.Connection.ExecuteAsync("ALTER TABLE patient ADD PRIMARY KEY (id)");
        Assert.Equal(shape, await database.ShapeAsync());
    }

    [Fact]
    public async Task Who_may_not_use_the_key_or_gives_a_password_away_changes_nothing()
    {
        var shape = await database.ShapeAsync();
        (await database.AdoptAsync("start", "--column", "family", "--key", "no/such-key")).ExpectExit(3);
        (await service.RunCliAsync(
            service.Database, "adopt", "start", "-d", database.ConnectionString + ";Password=x", "--table", "patient", "--column", "family", "--key", AdoptedDatabase.Key))
            .ExpectExit(2);
        (await database.AdoptAsync("start", "--pgcrypto", "ssn=rot13", "--key", AdoptedDatabase.Key)).ExpectExit(2);
        (await database.AdoptAsync("verify")).ExpectExit(6);
        Assert.Equal(shape, await database.ShapeAsync());
    }

    [Fact]
    public async Task A_register_that_somebody_else_put_there_is_not_believed()
    {
        await database.Connection.ExecuteAsync("""
            CREATE ROLE stranger_of_adopt;
            CREATE TABLE keyservice_adoption (id bigint, table_name text, columns jsonb, key_name text, scope text, stage text);
            INSERT INTO keyservice_adoption VALUES (1, 'patient',
                '[{"Name":"family","Type":"text; DROP TABLE patient","NotNull":true,"Form":"plain","TextTokens":false,"Pgcrypto":null}]', 'k', 's', 'Switched');
            ALTER TABLE keyservice_adoption OWNER TO stranger_of_adopt
            """);
        var digest = await database.DigestAsync();
        Assert.Contains("belongs to somebody", (await database.AdoptAsync("undo")).ExpectExit(3).Error, StringComparison.Ordinal);
        Assert.Equal(digest, await database.DigestAsync());
    }

    [Fact]
    public async Task An_edited_token_stops_the_commit_and_nothing_is_removed()
    {
        Answer(await database.StartAsync(), "encrypting", Rows);
        Answer(await database.AdoptAsync("verify"), "verified");
        Answer(await database.AdoptAsync("switch"), "switched");
        await database.Connection.ExecuteAsync("UPDATE patient SET family = (SELECT family FROM patient WHERE id = 2) WHERE id = 1");
        (await database.AdoptAsync("commit", "--yes")).ExpectExit(4);
        Assert.Contains("family_ks_old", await database.ShapeAsync(), StringComparison.Ordinal);
    }

    private static void Answer(CommandResult result, string stage, long? rows = null)
    {
        // A person reads lines, a program asks for --json; both come from one record.
        result.ExpectExit(0);
        Assert.Contains($"stage:    {stage}\n".Replace(" ", "", StringComparison.Ordinal), result.Text.Replace(" ", "", StringComparison.Ordinal), StringComparison.Ordinal);
        if (rows is { } count)
        {
            Assert.Contains($"rows:{count}\n", result.Text.Replace(" ", "", StringComparison.Ordinal), StringComparison.Ordinal);
        }
    }

    // A killed command's session may hold the table's lock for a moment longer.
    private static async Task<CommandResult> UntilUnlockedAsync(Func<Task<CommandResult>> run)
    {
        for (var attempt = 0; ; attempt++)
        {
            var result = await run();
            if (!result.Error.Contains("Another adopt command", StringComparison.Ordinal) || attempt == 50)
            {
                return result;
            }
            await Task.Delay(100);
        }
    }

    private AdoptedFields Fields() => AdoptedFields.Open(service, database);

    private static async Task<string?> ReadTextAsync(AdoptedFields fields, string column, long id) =>
        await ReadAsync(fields, column, id) is { } value ? Encoding.UTF8.GetString(value) : null;

    private static Task<byte[]?> ReadAsync(AdoptedFields fields, string column, long id) => fields.ReadAsync(column, id);

    private static Task WriteAsync(AdoptedFields fields, string column, long id, string? value, bool text = false) =>
        fields.WriteAsync(column, id, value is null ? null : Encoding.UTF8.GetBytes(value), text);

    // The files of the table itself: DROP COLUMN alone would leave every value in them.
    private async Task AssertNoPlaintextInPagesAsync()
    {
        await database.Connection.ExecuteAsync("CHECKPOINT;");
        var directory = await database.Connection.ExecuteScalarAsync<string>("SHOW data_directory");
        var file = await database.Connection.ExecuteScalarAsync<string>("SELECT pg_relation_filepath('patient')");
        var pages = await File.ReadAllBytesAsync(Path.Combine(directory!, file!));
        Assert.NotEmpty(pages);
        Assert.True(pages.AsSpan().IndexOf("ward 1"u8) >= 0, "The scan would not find anything.");
        Assert.True(pages.AsSpan().IndexOf("secret note"u8) < 0, "A note is in the table's pages.");
        Assert.True(pages.AsSpan().IndexOf(Encoding.UTF8.GetBytes("Grünspan")) < 0, "A name is in the table's pages.");
    }
}
