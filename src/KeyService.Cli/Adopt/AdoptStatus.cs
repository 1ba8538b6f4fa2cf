using System.CommandLine;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;

namespace KeyService.Cli.Adopt;

/// <summary><c>adopt status</c>: every adoption of the database.</summary>
internal static class AdoptStatus
{
    public static Command Create() => new Command("status", "List the adoptions in a database") { AdoptOptions.Database }.RunsOnDatabase(RunAsync);

    private static async Task RunAsync(Invocation run)
    {
        await using var database = await AdoptionDatabase.OpenAsync(run.Required(AdoptOptions.Database), run.Cancellation).ConfigureAwait(false);
        await run.Report.WriteListAsync(ReadAsync(database, run), "No adoption was begun in this database.", run.Cancellation).ConfigureAwait(false);
    }

    private static async IAsyncEnumerable<Record> ReadAsync(AdoptionDatabase database, Invocation run)
    {
        await using var connection = await database.Source.OpenConnectionAsync(run.Cancellation).ConfigureAwait(false);
        foreach (var schema in await SchemasAsync(connection, run.Cancellation).ConfigureAwait(false))
        {
            await using var command = Sql.Command(connection, $"""
                SELECT table_name, ARRAY(SELECT c->>'Name' FROM jsonb_array_elements(columns) c), key_name, scope, stage, started_at, changed_at
                FROM {Sql.Name(schema)}.{Adoption.RegisterName} ORDER BY id
                """);
            await using var row = await command.ExecuteReaderAsync(run.Cancellation).ConfigureAwait(false);
            while (await row.ReadAsync(run.Cancellation).ConfigureAwait(false))
            {
                var stage = Enum.Parse<AdoptionStage>(row.GetString(4));
                yield return new Record
                {
                    ["table"] = $"{schema}.{row.GetString(0)}",
                    ["columns"] = row.GetFieldValue<string[]>(1).ToList(),
                    ["key"] = row.GetString(2),
                    ["scope"] = row.GetString(3),
                    ["stage"] = AdoptReport.StageName(stage),
                    ["started"] = row.GetFieldValue<DateTimeOffset>(5),
                    ["changed"] = row.GetFieldValue<DateTimeOffset>(6),
                };
            }
        }
    }

    private static async Task<List<string>> SchemasAsync(Npgsql.NpgsqlConnection connection, CancellationToken cancellation)
    {
        await using var command = Sql.Command(
            connection, "SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = $1 AND c.relkind = 'r' ORDER BY 1",
            Adoption.RegisterName);
        var schemas = new List<string>();
        await using var row = await command.ExecuteReaderAsync(cancellation).ConfigureAwait(false);
        while (await row.ReadAsync(cancellation).ConfigureAwait(false))
        {
            schemas.Add(row.GetString(0));
        }
        return schemas;
    }
}
