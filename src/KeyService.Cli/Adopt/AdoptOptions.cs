using System.CommandLine;

namespace KeyService.Cli.Adopt;

/// <summary>Options that the adopt commands share.</summary>
internal static class AdoptOptions
{
    public static Option<string> Database { get; } = new("--database", "-d")
    {
        Description = "Connection string of the application's database, without a password (PGPASSWORD, PGPASSFILE)",
        HelpName = "STRING",
        Required = true,
    };

    public static Option<string> Table { get; } = new("--table", "-t")
    {
        Description = "The table, as SCHEMA.TABLE",
        HelpName = "TABLE",
        Required = true,
    };

    public static Option<string?> PgcryptoKeyFile { get; } = new("--pgcrypto-key-file")
    {
        Description = "File with pgcrypto's key; a line feed at its end does not count",
        HelpName = "FILE",
    };

    public static Option<bool> Yes() => new("--yes") { Description = "Do it without asking" };
}
