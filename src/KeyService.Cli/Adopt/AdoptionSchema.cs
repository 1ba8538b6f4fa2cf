using Npgsql;

namespace KeyService.Cli.Adopt;

/// <summary>
/// The changes of the table's shape, each in the caller's transaction. A trigger keeps token and value together while both stand there:
/// whoever writes one without being this command empties the other, and the command makes it again.
/// </summary>
internal static class AdoptionSchema
{
    /// <summary>Columns for the tokens, and the trigger.</summary>
    public static async Task BeginAsync(NpgsqlConnection connection, Adoption adoption, CancellationToken cancellation)
    {
        var add = adoption.Columns.Select(column => $"ADD COLUMN {column.QuotedToken} {column.TokenType}");
        await AlterAsync(connection, adoption, add, cancellation).ConfigureAwait(false);
        // A token is bound to its row's key: with another key it has to be made again.
        await CreateTriggerAsync(
            connection, adoption, column => (column.Name, column.TokenName),
            string.Concat(adoption.Columns.Select(column => $"NEW.{column.QuotedToken} := NULL; ")), cancellation).ConfigureAwait(false);
    }

    /// <summary>The tokens take the columns' names; the old values stand aside and are emptied when the application writes a new token.</summary>
    public static async Task SwitchAsync(NpgsqlConnection connection, Adoption adoption, CancellationToken cancellation)
    {
        await DropTriggerAsync(connection, adoption, cancellation).ConfigureAwait(false);
        foreach (var column in adoption.Columns)
        {
            await RenameAsync(connection, adoption, column.Quoted, column.QuotedOld, cancellation).ConfigureAwait(false);
            await RenameAsync(connection, adoption, column.QuotedToken, column.Quoted, cancellation).ConfigureAwait(false);
        }
        await AlterAsync(
            connection, adoption,
            adoption.Columns.Where(column => column.NotNull)
                .SelectMany(column => new[] { $"ALTER COLUMN {column.QuotedOld} DROP NOT NULL", $"ALTER COLUMN {column.Quoted} SET NOT NULL" }),
            cancellation).ConfigureAwait(false);
        // Only the application can make the tokens for another key: it writes them in the same statement, or keeps the row's key.
        var unchanged = string.Join(" OR ", adoption.Columns.Select(column => $"NEW.{column.Quoted}::text = OLD.{column.Quoted}::text"));
        await CreateTriggerAsync(
            connection, adoption, column => (column.Name, column.OldName),
            $"IF {unchanged} THEN RAISE EXCEPTION 'the key of a row with encrypted columns changes only together with its tokens'; END IF; ",
            cancellation).ConfigureAwait(false);
    }

    /// <summary>Takes <see cref="SwitchAsync"/> back, when every old value stands there again.</summary>
    public static async Task SwitchBackAsync(NpgsqlConnection connection, Adoption adoption, CancellationToken cancellation)
    {
        await DropTriggerAsync(connection, adoption, cancellation).ConfigureAwait(false);
        await AlterAsync(
            connection, adoption,
            adoption.Columns.Select(column => $"DROP COLUMN {column.Quoted}"), cancellation).ConfigureAwait(false);
        foreach (var column in adoption.Columns)
        {
            await RenameAsync(connection, adoption, column.QuotedOld, column.Quoted, cancellation).ConfigureAwait(false);
        }
        await AlterAsync(
            connection, adoption,
            adoption.Columns.Where(column => column.NotNull).Select(column => $"ALTER COLUMN {column.Quoted} SET NOT NULL"),
            cancellation).ConfigureAwait(false);
    }

    /// <summary>Takes <see cref="BeginAsync"/> back.</summary>
    public static async Task RemoveTokensAsync(NpgsqlConnection connection, Adoption adoption, CancellationToken cancellation)
    {
        await DropTriggerAsync(connection, adoption, cancellation).ConfigureAwait(false);
        await AlterAsync(
            connection, adoption, adoption.Columns.Select(column => $"DROP COLUMN {column.QuotedToken}"), cancellation).ConfigureAwait(false);
    }

    /// <summary>Removes the old values; this is for good.</summary>
    public static async Task RemoveOldAsync(NpgsqlConnection connection, Adoption adoption, CancellationToken cancellation)
    {
        await DropTriggerAsync(connection, adoption, cancellation).ConfigureAwait(false);
        await AlterAsync(
            connection, adoption, adoption.Columns.Select(column => $"DROP COLUMN {column.QuotedOld}"), cancellation).ConfigureAwait(false);
    }

    private static async Task CreateTriggerAsync(
        NpgsqlConnection connection, Adoption adoption, Func<AdoptedColumn, (string Written, string Kept)> pair, string onOtherKey,
        CancellationToken cancellation)
    {
        // Compared as text: what is encrypted is the text, and json has no equality of its own.
        static string Changed(string column) => $"NEW.{Sql.Name(column)}::text IS DISTINCT FROM OLD.{Sql.Name(column)}::text";
        var otherKey = string.Join(" OR ", adoption.Table.Key.Select(column => Changed(column.Name)));
        var onUpdate = $"        IF {otherKey} THEN {onOtherKey}END IF;\n" + string.Concat(adoption.Columns.Select(pair).Select(names =>
            $"        IF {Changed(names.Written)} OR {Changed(names.Kept)} THEN NEW.{Sql.Name(names.Kept)} := NULL; END IF;\n"));
        var onInsert = string.Concat(adoption.Columns.Select(pair).Select(names => $"        NEW.{Sql.Name(names.Kept)} := NULL;\n"));
        var function = $"{Sql.Name(adoption.Table.Schema)}.{Sql.Name(adoption.TriggerName)}";
        await Sql.ExecuteAsync(connection, $"""
            CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $trigger$
            BEGIN
                IF current_setting('{Adoption.WritingSetting}', true) = '{adoption.Id}' THEN
                    RETURN NEW;
                END IF;
                IF TG_OP = 'INSERT' THEN
            {onInsert}    ELSE
            {onUpdate}    END IF;
                RETURN NEW;
            END $trigger$;
            CREATE TRIGGER {Sql.Name(adoption.TriggerName)} BEFORE INSERT OR UPDATE ON {adoption.Table.Quoted}
                FOR EACH ROW EXECUTE FUNCTION {function}();
            """, cancellation).ConfigureAwait(false);
    }

    private static Task DropTriggerAsync(NpgsqlConnection connection, Adoption adoption, CancellationToken cancellation) =>
        Sql.ExecuteAsync(connection, $"""
            DROP TRIGGER {Sql.Name(adoption.TriggerName)} ON {adoption.Table.Quoted};
            DROP FUNCTION {Sql.Name(adoption.Table.Schema)}.{Sql.Name(adoption.TriggerName)}();
            """, cancellation);

    private static Task RenameAsync(
        NpgsqlConnection connection, Adoption adoption, string from, string to, CancellationToken cancellation) =>
        Sql.ExecuteAsync(connection, $"ALTER TABLE {adoption.Table.Quoted} RENAME COLUMN {from} TO {to}", cancellation);

    private static Task AlterAsync(
        NpgsqlConnection connection, Adoption adoption, IEnumerable<string> actions, CancellationToken cancellation)
    {
        var all = string.Join(", ", actions);
        return all.Length == 0 ? Task.CompletedTask : Sql.ExecuteAsync(connection, $"ALTER TABLE {adoption.Table.Quoted} {all}", cancellation);
    }
}
