namespace KeyService.Cli.Adopt;

/// <summary>How a column holds its values before the adoption. The names stand in the adoption's row: frozen.</summary>
internal enum SourceForm
{
    /// <summary>In the clear.</summary>
    Plain,

    /// <summary><c>pgp_sym_encrypt</c> of text.</summary>
    PgpSym,

    /// <summary><c>pgp_sym_encrypt_bytea</c>.</summary>
    PgpSymBytea,

    /// <summary><c>encrypt(…, 'aes')</c>: AES-CBC with an IV of zeros.</summary>
    Aes,
}

/// <summary>Forms by the names that options and the adoption's row use.</summary>
internal static class SourceForms
{
    public static IReadOnlyDictionary<string, SourceForm> Pgcrypto { get; } = new Dictionary<string, SourceForm>
    {
        ["pgp-sym"] = SourceForm.PgpSym,
        ["pgp-sym-bytea"] = SourceForm.PgpSymBytea,
        ["aes"] = SourceForm.Aes,
    };

    public static string Name(SourceForm form) => form == SourceForm.Plain ? "plain" : Pgcrypto.Single(pair => pair.Value == form).Key;

    public static SourceForm Parse(string name) => name == "plain" ? SourceForm.Plain : Pgcrypto[name];
}
