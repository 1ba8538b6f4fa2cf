namespace KeyService.Cli.Adopt;

/// <summary>One column on its way from its present form to tokens, and the expressions that read and write it.</summary>
/// <param name="Name">Its name; the tokens bear it after the switch.</param>
/// <param name="Type">Its SQL type as <c>format_type</c> writes it.</param>
/// <param name="NotNull">Whether it demands a value.</param>
/// <param name="Form">How it holds its values now.</param>
/// <param name="TextTokens">Tokens in their text form (<c>ks1.…</c>) rather than as <c>bytea</c>.</param>
/// <param name="Pgcrypto">Quoted schema of the pgcrypto extension, for the forms that need it.</param>
internal sealed record AdoptedColumn(string Name, string Type, bool NotNull, SourceForm Form, bool TextTokens, string? Pgcrypto)
{
    private const string TokenSuffix = "_ks_token";
    private const string OldSuffix = "_ks_old";

    /// <summary>Types whose text form does not depend on the session's settings, or whose settings the adoption fixes.</summary>
    private static readonly HashSet<string> TextTypes =
    [
        "text", "date", "boolean", "smallint", "integer", "bigint", "numeric", "real", "double precision", "uuid", "json", "jsonb", "xml", "inet",
        "timestamp without time zone", "timestamp with time zone", "time without time zone", "time with time zone", "interval", "citext",
    ];

    public string TokenName => Name + TokenSuffix;

    public string OldName => Name + OldSuffix;

    public string Quoted => Sql.Name(Name);

    public string QuotedToken => Sql.Name(TokenName);

    public string QuotedOld => Sql.Name(OldName);

    public string TokenType => TextTokens ? "text" : "bytea";

    private bool IsBytes => Type == "bytea";

    /// <summary>Whether values of this type can be adopted in this form.</summary>
    public static bool Supports(string type, SourceForm form) => form == SourceForm.Plain
        ? type == "bytea" || TextTypes.Contains(BaseType(type)) || BaseType(type) is "character varying" or "character"
        : type is "bytea" or "text";

    /// <summary>Expression for the value in the clear as <c>bytea</c>. Text is UTF-8.</summary>
    /// <param name="column">Quoted name of the column that holds the old form.</param>
    /// <param name="secret">The parameter with pgcrypto's key, for example <c>$1</c>.</param>
    public string Read(string column, string secret)
    {
        // A text column holds pgcrypto's output in ASCII armour.
        var cipher = IsBytes ? column : $"{Pgcrypto}.dearmor({column})";
        return Form switch
        {
            SourceForm.PgpSym => $"convert_to({Pgcrypto}.pgp_sym_decrypt({cipher}, convert_from({secret}, 'UTF8')), 'UTF8')",
            SourceForm.PgpSymBytea => $"{Pgcrypto}.pgp_sym_decrypt_bytea({cipher}, convert_from({secret}, 'UTF8'))",
            SourceForm.Aes => $"{Pgcrypto}.decrypt({cipher}, {secret}, 'aes')",
            _ => IsBytes ? column : $"convert_to({column}::text, 'UTF8')",
        };
    }

    /// <summary>Expression that makes the old form of a value.</summary>
    /// <param name="value">An expression of type <c>bytea</c>.</param>
    /// <param name="secret">As in <see cref="Read"/>.</param>
    public string Write(string value, string secret)
    {
        var cipher = Form switch
        {
            SourceForm.PgpSym => $"{Pgcrypto}.pgp_sym_encrypt(convert_from({value}, 'UTF8'), convert_from({secret}, 'UTF8'))",
            SourceForm.PgpSymBytea => $"{Pgcrypto}.pgp_sym_encrypt_bytea({value}, convert_from({secret}, 'UTF8'))",
            SourceForm.Aes => $"{Pgcrypto}.encrypt({value}, {secret}, 'aes')",
            _ => null,
        };
        return cipher is not null
            ? IsBytes ? cipher : $"{Pgcrypto}.armor({cipher})"
            : IsBytes ? value : $"convert_from({value}, 'UTF8')::{Type}";
    }

    private static string BaseType(string type)
    {
        var open = type.IndexOf('(', StringComparison.Ordinal);
        if (open < 0)
        {
            return type;
        }
        var close = type.IndexOf(')', open);
        return type[..open] + type[(close + 1)..];
    }
}
