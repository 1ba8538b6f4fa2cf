using System.Text.Json;
using KeyService.Cli.CommandLine;
using Npgsql;

namespace KeyService.Cli.Adopt;

/// <summary>One adoption: what is being done to a table and how far it is. Its row stands in the application's own database, so that it
/// commits together with what it speaks of.</summary>
/// <param name="Id">Number of the adoption in its database.</param>
/// <param name="Table">The table.</param>
/// <param name="Columns">Its columns.</param>
/// <param name="Key">Name of the key that protects them.</param>
/// <param name="Scope">First part of the columns' context; the application names the same.</param>
/// <param name="Stage">How far it is.</param>
internal sealed record Adoption(
    long Id, AdoptedTable Table, IReadOnlyList<AdoptedColumn> Columns, string Key, string Scope, AdoptionStage Stage)
{
    public const string RegisterName = "keyservice_adoption";

    /// <summary>Set while the command itself writes, so that the trigger knows its own.</summary>
    public const string WritingSetting = "keyservice.adopting";

    // Triggers run in the order of their names, and this one has to see what the others did.
    public string TriggerName => $"zz_keyservice_adoption_{Id}";

    private string Register => RegisterOf(Table);

    public static async Task CreateRegisterAsync(NpgsqlConnection connection, AdoptedTable table, CancellationToken cancellation)
    {
        await Sql.ExecuteAsync(connection, $"""
            CREATE TABLE IF NOT EXISTS {RegisterOf(table)} (
                id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                table_name text NOT NULL,
                columns jsonb NOT NULL,
                key_name text NOT NULL,
                scope text NOT NULL,
                stage text NOT NULL CHECK (stage IN ('Encrypting', 'Verified', 'Switched', 'Committed')),
                started_at timestamptz NOT NULL DEFAULT now(),
                changed_at timestamptz NOT NULL DEFAULT now());
            CREATE UNIQUE INDEX IF NOT EXISTS {RegisterName}_open ON {RegisterOf(table)} (table_name) WHERE stage <> 'Committed';
            """, cancellation).ConfigureAwait(false);
        await DemandOwnRegisterAsync(connection, table, cancellation).ConfigureAwait(false);
    }

    /// <summary>The adoption of a table that is not committed yet, or null.</summary>
    public static async Task<Adoption?> FindOpenAsync(NpgsqlConnection connection, AdoptedTable table, CancellationToken cancellation)
    {
        if (!await Sql.ScalarAsync<bool>(connection, "SELECT to_regclass($1) IS NOT NULL", cancellation, RegisterOf(table)).ConfigureAwait(false))
        {
            return null;
        }
        await DemandOwnRegisterAsync(connection, table, cancellation).ConfigureAwait(false);
        await using var command = Sql.Command(connection, $"""
            SELECT id, columns::text, key_name, scope, stage FROM {RegisterOf(table)} WHERE table_name = $1 AND stage <> 'Committed'
            """, table.Name);
        await using var row = await command.ExecuteReaderAsync(cancellation).ConfigureAwait(false);
        return await row.ReadAsync(cancellation).ConfigureAwait(false)
            ? new Adoption(
                row.GetInt64(0), table, ReadColumns(row.GetString(1)), row.GetString(2), row.GetString(3), Enum.Parse<AdoptionStage>(row.GetString(4)))
            : null;
    }

    public static async Task<Adoption> RequireOpenAsync(NpgsqlConnection connection, AdoptedTable table, CancellationToken cancellation) =>
        await FindOpenAsync(connection, table, cancellation).ConfigureAwait(false) ?? throw new CliError(
            ExitCode.Conflict, "NO_ADOPTION", $"No adoption of {table.Display} is under way.", "Begin one with: keyservice adopt start");

    public static async Task<Adoption> InsertAsync(
        NpgsqlConnection connection, AdoptedTable table, IReadOnlyList<AdoptedColumn> columns, string key, string scope, CancellationToken cancellation)
    {
        var id = await Sql.ScalarAsync<long>(
            connection,
            $"INSERT INTO {RegisterOf(table)} (table_name, columns, key_name, scope, stage) VALUES ($1, $2::jsonb, $3, $4, 'Encrypting') RETURNING id",
            cancellation, table.Name, WriteColumns(columns), key, scope).ConfigureAwait(false);
        return new Adoption(id, table, columns, key, scope, AdoptionStage.Encrypting);
    }

    public async Task<Adoption> MoveToAsync(NpgsqlConnection connection, AdoptionStage stage, CancellationToken cancellation)
    {
        await Sql.ExecuteAsync(
            connection, $"UPDATE {Register} SET stage = $1, changed_at = now() WHERE id = $2", cancellation, stage.ToString(), Id).ConfigureAwait(false);
        return this with { Stage = stage };
    }

    public Task DeleteAsync(NpgsqlConnection connection, CancellationToken cancellation) =>
        Sql.ExecuteAsync(connection, $"DELETE FROM {Register} WHERE id = $1", cancellation, Id);

    // What the register says becomes part of statements that run with this role's rights. Who may make tables in the schema could have
    // put a register there before us.
    private static async Task DemandOwnRegisterAsync(NpgsqlConnection connection, AdoptedTable table, CancellationToken cancellation)
    {
        var own = await Sql.ScalarAsync<bool>(
            connection,
            """
            SELECT r.relowner = t.relowner OR r.relowner = current_user::regrole
            FROM pg_class r, pg_class t WHERE r.oid = to_regclass($1) AND t.oid = $2
            """, cancellation, RegisterOf(table), table.Oid).ConfigureAwait(false);
        if (!own)
        {
            throw new CliError(
                ExitCode.Refused, "DATABASE_REFUSED", $"{RegisterOf(table)} belongs to somebody who does not own {table.Display}.",
                "Somebody else made that table, and what it says is not believed. Drop it if it is no adoption's, or change its owner.");
        }
    }

    private static string RegisterOf(AdoptedTable table) => $"{Sql.Name(table.Schema)}.{RegisterName}";

    private static string WriteColumns(IReadOnlyList<AdoptedColumn> columns) => JsonSerializer.Serialize(columns.Select(column => new StoredColumn(
        column.Name, column.Type, column.NotNull, SourceForms.Name(column.Form), column.TextTokens, column.Pgcrypto)));

    private static List<AdoptedColumn> ReadColumns(string json) =>
        [.. JsonSerializer.Deserialize<StoredColumn[]>(json)!.Select(column => new AdoptedColumn(
            column.Name, column.Type, column.NotNull, SourceForms.Parse(column.Form), column.TextTokens, column.Pgcrypto))];

    private sealed record StoredColumn(string Name, string Type, bool NotNull, string Form, bool TextTokens, string? Pgcrypto);
}
