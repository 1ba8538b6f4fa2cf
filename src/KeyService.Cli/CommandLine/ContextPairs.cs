using KeyService.Crypto;

namespace KeyService.Cli.CommandLine;

/// <summary>Reads KEY=VALUE arguments. The value may hold "=" itself; the key may not.</summary>
internal static class ContextPairs
{
    public static EncryptionContext Parse(IEnumerable<string> arguments) => EncryptionContext.Create(arguments.Select(ParsePair));

    public static KeyValuePair<string, string> ParsePair(string argument)
    {
        var at = argument.IndexOf('=', StringComparison.Ordinal);
        return at > 0
            ? new(argument[..at], argument[(at + 1)..])
            : throw CliError.Usage("A context pair is not of the form KEY=VALUE.", "Write for example --context tenant=st-mary --context table=labs.");
    }
}
