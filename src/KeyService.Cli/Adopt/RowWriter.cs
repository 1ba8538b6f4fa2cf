using Npgsql;

namespace KeyService.Cli.Adopt;

/// <summary>Writes a batch of locked rows in one statement.</summary>
/// <param name="adoption">The table.</param>
/// <param name="assignments">Column by column: its quoted name, and the expression for the new value; <c>$1</c> is pgcrypto's key and
/// <c>v.cN</c> the value, null where the column stays.</param>
/// <param name="secret">pgcrypto's key; empty when there is none.</param>
internal sealed class RowWriter(Adoption adoption, IReadOnlyList<(string Column, Func<string, string> NewValue)> assignments, ReadOnlyMemory<byte> secret)
{
    /// <param name="connection">In the transaction that locked the rows.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="values">For each row as many values as there are assignments.</param>
    /// <param name="cancellation">Ends it.</param>
    public async Task WriteAsync(
        NpgsqlConnection connection, IReadOnlyList<AdoptedRow> rows, IReadOnlyList<byte[]?[]> values, CancellationToken cancellation)
    {
        var set = assignments.Select((assignment, index) =>
            $"{assignment.Column} = CASE WHEN v.c{index} IS NULL THEN t.{assignment.Column} ELSE {assignment.NewValue($"v.c{index}")} END");
        var arrays = assignments.Select((_, index) => $"${index + 3}::bytea[]");
        var names = assignments.Select((_, index) => $"c{index}");
        await using var command = Sql.Command(
            connection,
            $"""
            UPDATE {adoption.Table.Quoted} t SET {string.Join(", ", set)}
            FROM unnest($2::text[]::tid[], {string.Join(", ", arrays)}) AS v(position, {string.Join(", ", names)}) WHERE t.ctid = v.position
            """,
            [secret, rows.Select(row => row.Position).ToArray(),
                .. assignments.Select((_, index) => values.Select(row => row[index]).ToArray())]);
        var written = await command.ExecuteNonQueryAsync(cancellation).ConfigureAwait(false);
        if (written != rows.Count)
        {
            throw new InvalidOperationException($"{written} rows were written where {rows.Count} were locked.");
        }
    }

    /// <summary>Tells the adoption's trigger, for this transaction, that the command writes.</summary>
    public Task AnnounceAsync(NpgsqlConnection connection, CancellationToken cancellation) => Sql.ExecuteAsync(
        connection, "SELECT set_config($1, $2, true)", cancellation,
        Adoption.WritingSetting, adoption.Id.ToString(System.Globalization.CultureInfo.InvariantCulture));
}
