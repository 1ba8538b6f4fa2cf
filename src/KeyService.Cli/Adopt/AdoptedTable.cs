using KeyService.Cli.CommandLine;
using Npgsql;

namespace KeyService.Cli.Adopt;

/// <summary>A table as the catalogue has it: its identity and its primary key.</summary>
/// <param name="Oid">Its object id.</param>
/// <param name="Schema">Its schema.</param>
/// <param name="Name">Its name.</param>
/// <param name="Key">Columns of the primary key, in order, with their types.</param>
/// <param name="Rows">The planner's estimate; -1 when there is none.</param>
internal sealed record AdoptedTable(uint Oid, string Schema, string Name, IReadOnlyList<(string Name, string Type)> Key, long Rows)
{
    private static readonly HashSet<string> KeyTypes = ["smallint", "integer", "bigint", "uuid", "text", "character varying"];

    public string Quoted => $"{Sql.Name(Schema)}.{Sql.Name(Name)}";

    public string Display => $"{Schema}.{Name}";

    public static async Task<AdoptedTable> FindAsync(NpgsqlConnection connection, string table, CancellationToken cancellation)
    {
        await using var command = Sql.Command(connection, """
            SELECT c.oid, n.nspname, c.relname, c.relkind = 'r' AND NOT c.relispartition
                   AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid OR inhrelid = c.oid),
                   c.reltuples::bigint, row_security_active(c.oid), pg_has_role(c.relowner, 'USAGE')
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass($1)
            """, table);
        AdoptedTable found;
        await using (var row = await command.ExecuteReaderAsync(cancellation).ConfigureAwait(false))
        {
            if (!await row.ReadAsync(cancellation).ConfigureAwait(false))
            {
                throw new CliError(ExitCode.Conflict, "NO_SUCH_TABLE", $"There is no table {table} in this database.",
                    "Write it as SCHEMA.TABLE, quoted as SQL quotes it when it has capitals.");
            }
            found = new AdoptedTable(row.GetFieldValue<uint>(0), row.GetString(1), row.GetString(2), [], row.GetInt64(4));
            Demand(row.GetBoolean(3), $"{found.Display} is a view, a partition, a partitioned or an inherited table.", "Adopt ordinary tables; a partitioned one is not supported.");
            Demand(!row.GetBoolean(5), $"Row security hides rows of {found.Display} from this role.", "Run this as a role that sees every row.");
            Demand(row.GetBoolean(6), $"This role does not own {found.Display}.", "Run this as the table's owner: columns are added to it.");
        }
        return found with { Key = await ReadKeyAsync(connection, found, cancellation).ConfigureAwait(false) };
    }

    /// <summary>Expressions of the primary key in text, as the row's context has them.</summary>
    public IEnumerable<string> KeyTexts => Key.Select(column => $"t.{Sql.Name(column.Name)}::text");

    /// <summary>The primary key as a row, to order by.</summary>
    public string KeyRow => string.Join(", ", Key.Select(column => $"t.{Sql.Name(column.Name)}"));

    private static async Task<IReadOnlyList<(string Name, string Type)>> ReadKeyAsync(NpgsqlConnection connection, AdoptedTable table, CancellationToken cancellation)
    {
        await using var command = Sql.Command(connection, """
            SELECT a.attname, format_type(a.atttypid, NULL)
            FROM pg_index i CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS k(number, position)
            JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
            WHERE i.indrelid = $1 AND i.indisprimary ORDER BY k.position
            """, table.Oid);
        var columns = new List<(string Name, string Type)>();
        await using var row = await command.ExecuteReaderAsync(cancellation).ConfigureAwait(false);
        while (await row.ReadAsync(cancellation).ConfigureAwait(false))
        {
            columns.Add((row.GetString(0), row.GetString(1)));
            Demand(
                KeyTypes.Contains(row.GetString(1)), $"The primary key's column {row.GetString(0)} is of type {row.GetString(1)}.",
                $"A row is bound to its token by its key's text: {string.Join(", ", KeyTypes)} have one that never changes.");
        }
        Demand(columns.Count <= 4, $"The primary key of {table.Display} has {columns.Count} columns.", "A row's context holds four at most.");
        Demand(columns.Count > 0, $"{table.Display} has no primary key.", "A token is bound to its row: give the table a primary key first.");
        return columns;
    }

    private static void Demand(bool holds, string message, string advice)
    {
        if (!holds)
        {
            throw new CliError(ExitCode.Failed, "TABLE_NOT_ADOPTABLE", message, advice);
        }
    }
}
