using KeyService.Cli.Adopt;
using KeyService.Cli.CommandLine;
using KeyService.Client;
using KeyService.Crypto;
using KeyService.Protocol.V1;
using Npgsql;

namespace KeyService.Cli.Campaigns;

/// <summary>
/// A column as the register describes it and the catalogue has it: which rows stand under a version, what a row is bound to, how its new
/// value is written.
/// </summary>
internal sealed class HoldingColumn
{
    /// <summary>Format byte and key-version id: how every wrapped key and token of the service begins.</summary>
    private const int Head = 1 + KeyVersionId.Length;

    private readonly PostgresColumn column;
    private readonly IReadOnlyList<(string Name, string Type)> key;

    private HoldingColumn(PostgresColumn column, bool isText, IReadOnlyList<(string, string)> key)
    {
        this.column = column;
        this.key = key;
        IsText = isText;
    }

    public bool HoldsTokens => column.Content == ColumnContent.FieldTokens;

    /// <summary>Whether the tokens stand in their text form.</summary>
    public bool IsText { get; }

    public string Display => $"{column.Schema}.{column.Table}.{column.Column}";

    public int KeyColumns => key.Count;

    private byte Format => HoldsTokens ? FieldToken.Format1 : WrappedDataKey.Format;

    private string Table => $"{Sql.Name(column.Schema)}.{Sql.Name(column.Table)}";

    private string Value => $"t.{Sql.Name(column.Column)}";

    private string HeadOf => IsText ? $"left({Value}, {FieldTokenText.Length(Head)})" : $"substring({Value} from 1 for {Head})";

    private string KeyRow => string.Join(", ", key.Select(each => $"t.{Sql.Name(each.Name)}"));

    /// <exception cref="CliError">There is no such column, or it cannot be worked on.</exception>
    public static async Task<HoldingColumn> FindAsync(NpgsqlConnection connection, PostgresColumn column, CancellationToken cancellation)
    {
        uint table;
        await using (var command = Sql.Command(connection, """
            SELECT c.oid, row_security_active(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')
            """, column.Schema, column.Table))
        await using (var row = await command.ExecuteReaderAsync(cancellation).ConfigureAwait(false))
        {
            Demand(await row.ReadAsync(cancellation).ConfigureAwait(false), $"There is no table {column.Schema}.{column.Table} in this database.",
                "Check the place of the holding, and what it was registered as.");
            table = row.GetFieldValue<uint>(0);
            Demand(!row.GetBoolean(1), $"Row security hides rows of {column.Schema}.{column.Table} from this role.", "Run this as a role that sees every row.");
        }
        var types = await TypesAsync(connection, table, cancellation).ConfigureAwait(false);
        var isText = !HasType(types, column.Column, "bytea");
        var tokens = column.Content == ColumnContent.FieldTokens;
        Demand(!isText || (tokens && HasType(types, column.Column, "text", "character varying")),
            $"{column.Column} of {column.Schema}.{column.Table} is not of a type that holds {(tokens ? "field tokens: bytea or text" : "wrapped keys: bytea")}.",
            "Check what the holding was registered as.");
        Demand(column.SubjectColumn.Length == 0 || HasType(types, column.SubjectColumn, "bytea"), $"There is no bytea column {column.SubjectColumn}.",
            "The 16-byte subject ids stand in a bytea column.");
        foreach (var source in column.Context.Where(each => each.SourceCase == ContextSource.SourceOneofCase.Column))
        {
            Demand(types.ContainsKey(source.Column), $"There is no column {source.Column}, from which the context's {source.Key} comes.",
                "Check what the holding was registered as.");
        }
        return new HoldingColumn(column, isText, await KeyAsync(connection, table, column, cancellation).ConfigureAwait(false));
    }

    /// <summary>The next rows that stand under one of these versions, in the order of the primary key, after a row.</summary>
    public NpgsqlCommand Select(NpgsqlConnection connection, IEnumerable<KeyVersionId> versions, string[]? after, int limit)
    {
        var place = after is null ? "" : $" AND ({KeyRow}) > ({string.Join(", ", key.Select((each, index) => $"${index + 2}::{each.Type}"))})";
        var heads = versions.Select(HeadBytes);
        return Sql.Command(
            connection,
            $"""
            SELECT {string.Join(", ", key.Select(each => $"t.{Sql.Name(each.Name)}::text"))}, {Value}{Binding()}
            FROM {Table} t WHERE {HeadOf} = ANY($1){place} ORDER BY {KeyRow} LIMIT {limit}
            """,
            [IsText ? heads.Select(HeadText).ToArray() : heads.ToArray(), .. after ?? []]);
    }

    /// <summary>How many rows stand under one of these versions.</summary>
    public Task<long> CountAsync(NpgsqlConnection connection, IEnumerable<KeyVersionId> versions, CancellationToken cancellation)
    {
        var heads = versions.Select(HeadBytes);
        return Sql.ScalarAsync<long>(
            connection, $"SELECT count(*) FROM {Table} t WHERE {HeadOf} = ANY($1)", cancellation,
            IsText ? heads.Select(HeadText).ToArray() : heads.ToArray());
    }

    /// <summary>A row of <see cref="Select"/>; null for its binding when the row's own columns make none.</summary>
    public ColumnRow Read(NpgsqlDataReader reader)
    {
        var keyTexts = Enumerable.Range(0, key.Count).Select(reader.GetString).ToArray();
        var next = key.Count;
        var text = IsText ? reader.GetString(next) : null;
        byte[]? value = null;
        if (text is null)
        {
            value = reader.GetFieldValue<byte[]>(next);
        }
        else if (FieldTokenText.TryParse(text, out var parsed))
        {
            value = parsed;
        }
        next++;
        byte[]? subject = null;
        if (column.SubjectColumn.Length > 0)
        {
            subject = reader.IsDBNull(next) ? null : reader.GetFieldValue<byte[]>(next);
            next++;
        }
        var pairs = new List<KeyValuePair<string, string>>();
        var missing = column.SubjectColumn.Length > 0 && subject?.Length != DataKeyScope.SubjectIdLength;
        foreach (var source in column.Context)
        {
            if (source.SourceCase == ContextSource.SourceOneofCase.Value)
            {
                pairs.Add(new(source.Key, source.Value));
            }
            else if (reader.IsDBNull(next))
            {
                missing = true;
                next++;
            }
            else
            {
                pairs.Add(new(source.Key, reader.GetString(next++)));
            }
        }
        return new ColumnRow(keyTexts, value, text, subject, missing ? null : ContextOf(pairs));
    }

    /// <summary>
    /// Puts new values in the place of those that were read, in one statement; a row that somebody else wrote meanwhile is left as it is.
    /// </summary>
    /// <returns>How many rows were written.</returns>
    public async Task<int> ReplaceAsync(NpgsqlConnection connection, IReadOnlyList<(ColumnRow Row, byte[] Value)> changes, CancellationToken cancellation)
    {
        var type = IsText ? "text" : "bytea";
        var names = key.Select((_, index) => $"k{index}");
        var match = key.Select((each, index) => $"t.{Sql.Name(each.Name)} = v.k{index}::{each.Type}");
        await using var command = Sql.Command(
            connection,
            $"""
            UPDATE {Table} t SET {Sql.Name(column.Column)} = v.made
            FROM unnest({string.Join(", ", key.Select((_, index) => $"${index + 1}::text[]"))}, ${key.Count + 1}::{type}[], ${key.Count + 2}::{type}[])
                AS v({string.Join(", ", names)}, was, made)
            WHERE {string.Join(" AND ", match)} AND {Value} = v.was
            """,
            [.. key.Select((_, index) => changes.Select(change => change.Row.Key[index]).ToArray()),
                IsText ? changes.Select(change => change.Row.Text!).ToArray() : changes.Select(change => change.Row.Value!).ToArray(),
                IsText ? changes.Select(change => FieldTokenText.Format(change.Value)).ToArray() : changes.Select(change => change.Value).ToArray()]);
        return await command.ExecuteNonQueryAsync(cancellation).ConfigureAwait(false);
    }

    /// <summary>Counts every value of the column by its version, in one snapshot.</summary>
    public async Task<VersionCounts> ScanAsync(NpgsqlConnection connection, CancellationToken cancellation)
    {
        var whole = HoldsTokens ? "true" : $"octet_length({Value}) = {WrappedDataKey.Length}";
        await using var command = Sql.Command(
            connection, $"SELECT {HeadOf}, {whole}, count(*) FROM {Table} t WHERE {Value} IS NOT NULL GROUP BY 1, 2");
        var counts = new VersionCounts();
        await using var reader = await command.ExecuteReaderAsync(cancellation).ConfigureAwait(false);
        while (await reader.ReadAsync(cancellation).ConfigureAwait(false))
        {
            var head = IsText ? Decode(reader.GetString(0)) : reader.GetFieldValue<byte[]>(0);
            if (reader.GetBoolean(1) && head.Length == Head && head[0] == Format && KeyVersionId.Read(head.AsSpan(1)) is var version && version != KeyVersionId.None)
            {
                counts.Add(version, reader.GetInt64(2));
            }
            else
            {
                counts.AddUnknown(reader.GetInt64(2));
            }
        }
        return counts;
    }

    private byte[] HeadBytes(KeyVersionId version)
    {
        var head = new byte[Head];
        head[0] = Format;
        version.WriteTo(head.AsSpan(1));
        return head;
    }

    // 9 bytes are 12 characters of base64 and leave no bits over: a token's text begins with its head's text.
    private static string HeadText(byte[] head) => FieldTokenText.Prefix + System.Buffers.Text.Base64Url.EncodeToString(head);

    private static byte[] Decode(string head)
    {
        var encoded = head.AsSpan(Math.Min(head.Length, FieldTokenText.Prefix.Length));
        return head.StartsWith(FieldTokenText.Prefix, StringComparison.Ordinal) && System.Buffers.Text.Base64Url.IsValid(encoded)
            ? System.Buffers.Text.Base64Url.DecodeFromChars(encoded)
            : [];
    }

    private string Binding() =>
        (column.SubjectColumn.Length > 0 ? $", t.{Sql.Name(column.SubjectColumn)}" : "")
        + string.Concat(column.Context.Where(each => each.SourceCase == ContextSource.SourceOneofCase.Column).Select(each => $", t.{Sql.Name(each.Column)}::text"));

    private static EncryptionContext? ContextOf(List<KeyValuePair<string, string>> pairs)
    {
        try
        {
            return EncryptionContext.Create(pairs);
        }
        catch (InvalidContextException)
        {
            return null;
        }
    }

    /// <summary>What a wrapped key of a row is bound to.</summary>
    public DataKeyScope ScopeOf(ColumnRow row) => column.Use switch
    {
        DataKeyUse.Field => DataKeyScope.Field(row.Subject, row.Context!),
        DataKeyUse.Archive => DataKeyScope.Archive(row.Subject, row.Context!),
        DataKeyUse.BlindIndex => DataKeyScope.BlindIndex(row.Subject, row.Context!),
        _ => DataKeyScope.General(row.Context!),
    };

    private static async Task<Dictionary<string, string>> TypesAsync(NpgsqlConnection connection, uint table, CancellationToken cancellation)
    {
        await using var command = Sql.Command(
            connection, "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped", table);
        var types = new Dictionary<string, string>(StringComparer.Ordinal);
        await using var row = await command.ExecuteReaderAsync(cancellation).ConfigureAwait(false);
        while (await row.ReadAsync(cancellation).ConfigureAwait(false))
        {
            types[row.GetString(0)] = row.GetString(1);
        }
        return types;
    }

    private static async Task<IReadOnlyList<(string, string)>> KeyAsync(
        NpgsqlConnection connection, uint table, PostgresColumn column, CancellationToken cancellation)
    {
        await using var command = Sql.Command(connection, """
            SELECT a.attname, format_type(a.atttypid, NULL)
            FROM pg_index i CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS k(number, position)
            JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
            WHERE i.indrelid = $1 AND i.indisprimary ORDER BY k.position
            """, table);
        var columns = new List<(string, string)>();
        await using (var row = await command.ExecuteReaderAsync(cancellation).ConfigureAwait(false))
        {
            while (await row.ReadAsync(cancellation).ConfigureAwait(false))
            {
                columns.Add((row.GetString(0), row.GetString(1)));
            }
        }
        Demand(columns.Count > 0, $"{column.Schema}.{column.Table} has no primary key.", "Rows are found again by it: give the table one first.");
        Demand(columns.All(each => each.Item1 != column.Column), $"{column.Column} is part of the primary key of {column.Schema}.{column.Table}.",
            "A value that is replaced cannot be what its row is found by.");
        return columns;
    }

    private static bool HasType(Dictionary<string, string> types, string name, params string[] wanted) =>
        types.TryGetValue(name, out var type) && wanted.Contains(type);

    private static void Demand(bool holds, string message, string advice)
    {
        if (!holds)
        {
            throw new CliError(ExitCode.Failed, "HOLDING_NOT_AS_REGISTERED", message, advice);
        }
    }
}

/// <summary>A row that stands under a version of a campaign.</summary>
/// <param name="Key">Its primary key, as text.</param>
/// <param name="Value">The wrapped key or token; null when its text form is none.</param>
/// <param name="Text">The token's text form, in a text column.</param>
/// <param name="Subject">16 bytes, where the use wants them.</param>
/// <param name="Context">What it was made with; null when the row's columns make none.</param>
internal sealed record ColumnRow(string[] Key, byte[]? Value, string? Text, byte[]? Subject, EncryptionContext? Context)
{
    public string KeyText => string.Join(", ", Key);

    /// <summary>Bytes that it takes in a call.</summary>
    public int CallBytes => (Value?.Length ?? 0) + (Context?.Encoded.Length ?? 0) + 64;
}
