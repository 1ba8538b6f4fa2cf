using KeyService.Cli.CommandLine;
using Npgsql;

namespace KeyService.Cli.Adopt;

/// <summary>Looks at the columns before anything is changed, and refuses what could not be taken to the end, with every reason at once.</summary>
internal sealed class ColumnInspection(NpgsqlConnection connection, AdoptedTable table)
{
    private readonly List<string> obstacles = [];

    /// <param name="columns">Names, and the form in which each holds its values.</param>
    /// <param name="textTokens">Whether tokens are to be text.</param>
    /// <param name="cancellation">Ends it.</param>
    public async Task<IReadOnlyList<AdoptedColumn>> ReadAsync(
        IReadOnlyList<(string Name, SourceForm Form)> columns, bool textTokens, CancellationToken cancellation)
    {
        var pgcrypto = columns.Any(column => column.Form != SourceForm.Plain) ? await FindPgcryptoAsync(cancellation).ConfigureAwait(false) : null;
        var found = new List<AdoptedColumn>();
        foreach (var (name, form) in columns)
        {
            if (await ReadAsync(name, form, textTokens, pgcrypto, cancellation).ConfigureAwait(false) is { } column)
            {
                found.Add(column);
                await FindDependentsAsync(name, cancellation).ConfigureAwait(false);
            }
        }
        return obstacles.Count == 0 ? found : throw new CliError(
            ExitCode.Failed, "TABLE_NOT_ADOPTABLE", $"{table.Display} cannot be adopted as it is: {string.Join("; ", obstacles)}",
            "Nothing was changed. Remove what stands in the way; what finds rows by the value becomes a blind index (docs/sdk.md).");
    }

    private async Task<AdoptedColumn?> ReadAsync(
        string name, SourceForm form, bool textTokens, string? pgcrypto, CancellationToken cancellation)
    {
        await using var command = Sql.Command(connection, """
            SELECT format_type(atttypid, atttypmod), attnotnull, attgenerated <> '' OR attidentity <> '', atthasdef
            FROM pg_attribute WHERE attrelid = $1 AND attname = $2 AND attnum > 0 AND NOT attisdropped
            """, table.Oid, name);
        await using var row = await command.ExecuteReaderAsync(cancellation).ConfigureAwait(false);
        if (!await row.ReadAsync(cancellation).ConfigureAwait(false))
        {
            obstacles.Add($"there is no column {name}");
            return null;
        }
        var column = new AdoptedColumn(name, row.GetString(0), row.GetBoolean(1), form, textTokens, pgcrypto);
        Note(table.Key.All(key => key.Name != name), $"{name} is part of the primary key, to which the tokens of the other columns are bound");
        Note(!row.GetBoolean(2), $"{name} is generated");
        Note(row.GetBoolean(2) || !row.GetBoolean(3), $"{name} has a default, which the database would write in the clear");
        Note(AdoptedColumn.Supports(column.Type, form), $"{name} is of type {column.Type}, which is not supported as {SourceForms.Name(form)}");
        Note(Sql.Fits(column.TokenName) && Sql.Fits(column.OldName), $"the name {name} is too long to be extended");
        return column;
    }

    private async Task<string?> FindPgcryptoAsync(CancellationToken cancellation)
    {
        await using var command = Sql.Command(
            connection, "SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pgcrypto'");
        var schema = await command.ExecuteScalarAsync(cancellation).ConfigureAwait(false) as string;
        Note(schema is not null, "the extension pgcrypto is not installed in this database");
        var log = await Sql.ScalarAsync<string>(connection, "SELECT current_setting('log_statement')", cancellation).ConfigureAwait(false);
        var slow = await Sql.ScalarAsync<string>(
            connection, "SELECT current_setting('log_min_duration_statement')", cancellation).ConfigureAwait(false);
        var length = await Sql.ScalarAsync<string>(
            connection, "SELECT current_setting('log_parameter_max_length')", cancellation).ConfigureAwait(false);
        Note(
            length == "0" || (log is "none" or "ddl" && slow == "-1"),
            "the server logs statements with their parameters, and pgcrypto's key would be one: set log_parameter_max_length = 0 for this role");
        return schema is null ? null : Sql.Name(schema);
    }

    // Whatever depends on the column would break, or go on reading the old one, when the names change.
    private async Task FindDependentsAsync(string name, CancellationToken cancellation)
    {
        await using var command = Sql.Command(connection, """
            SELECT DISTINCT pg_describe_object(d.classid, d.objid, d.objsubid)
            FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
            WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND a.attname = $2
              AND d.classid <> 'pg_attrdef'::regclass
              AND NOT EXISTS (SELECT FROM pg_constraint c WHERE d.classid = 'pg_constraint'::regclass AND c.oid = d.objid AND c.contype = 'n')
            ORDER BY 1
            """, table.Oid, name);
        await using var row = await command.ExecuteReaderAsync(cancellation).ConfigureAwait(false);
        while (await row.ReadAsync(cancellation).ConfigureAwait(false))
        {
            obstacles.Add($"{name} is used by {row.GetString(0)}");
        }
    }

    private void Note(bool holds, string obstacle)
    {
        if (!holds)
        {
            obstacles.Add(obstacle);
        }
    }
}
