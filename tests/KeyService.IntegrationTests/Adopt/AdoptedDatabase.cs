using Dapper;
using Npgsql;

namespace KeyService.IntegrationTests.Adopt;

/// <summary>A database as an application left it: columns in the clear of several types, one that pgcrypto encrypted, NULLs and empty texts.</summary>
internal sealed class AdoptedDatabase : IAsyncDisposable
{
    public const string PgcryptoKey = "a key of former times";
    public const string Key = "ehr/patient";

    private readonly ServiceFixture service;
    private readonly PostgresFixture postgres;

    private AdoptedDatabase(ServiceFixture service, PostgresFixture postgres, string name, NpgsqlConnection connection)
    {
        this.service = service;
        this.postgres = postgres;
        Name = name;
        Connection = connection;
    }

    public string Name { get; }

    public NpgsqlConnection Connection { get; }

    public string ConnectionString => postgres.ConnectionString(Name);

    public static async Task<AdoptedDatabase> CreateAsync(ServiceFixture service, PostgresFixture postgres, int rows)
    {
        var name = await postgres.CreateDatabaseAsync("adopt");
        var connection = await postgres.OpenAsync(name);
        await connection.ExecuteAsync($"""
            CREATE EXTENSION pgcrypto;
            CREATE TABLE patient (
                id bigint PRIMARY KEY, ward text NOT NULL, family text NOT NULL, note text, born date, photo bytea, document jsonb, weight numeric,
                ssn bytea);
            INSERT INTO patient
            SELECT g, 'ward ' || g % 7, 'Grünspan-😀-' || g,
                CASE g % 3 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE repeat('secret note ', g % 40) END,
                date '1900-01-01' + g, decode(md5(g::text), 'hex'), jsonb_build_object('allergy', 'penicillin', 'n', g), g / 8.0,
                CASE WHEN g % 5 > 0 THEN pgp_sym_encrypt('ssn ' || g, '{PgcryptoKey}') END
            FROM generate_series(1, {rows}) g
            """);
        return new AdoptedDatabase(service, postgres, name, connection);
    }

    /// <summary>Everything that the table shows, in order; equal when nothing changed.</summary>
    public Task<string?> DigestAsync() =>
        Connection.ExecuteScalarAsync<string?>("SELECT md5(string_agg(t::text, E'\\n' ORDER BY id)) FROM patient t");

    /// <summary>The table's columns with their types.</summary>
    public Task<string?> ShapeAsync() => Connection.ExecuteScalarAsync<string?>("""
        SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod) || CASE WHEN attnotnull THEN ' not null' ELSE '' END, ', ' ORDER BY attname)
        FROM pg_attribute WHERE attrelid = 'patient'::regclass AND attnum > 0 AND NOT attisdropped
        """);

    /// <summary><c>keyservice adopt …</c> on this table.</summary>
    public Task<CommandResult> AdoptAsync(string step, params string[] arguments) =>
        service.RunCliAsync(service.Database, ["adopt", step, "-d", ConnectionString, "--table", "patient", .. arguments]);

    public Task<CommandResult> StartAsync(params string[] arguments) => AdoptAsync(
        "start", ["--column", "family", "--column", "note", "--column", "born", "--column", "photo", "--column", "document", "--column", "weight",
            "--key", Key, "--scope", "ehr", .. arguments]);

    public ValueTask DisposeAsync() => Connection.DisposeAsync();
}
