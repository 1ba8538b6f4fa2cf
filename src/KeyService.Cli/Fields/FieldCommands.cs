using System.CommandLine;
using System.Security.Cryptography;
using System.Text;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Files;
using KeyService.Cli.Output;
using KeyService.Crypto;

namespace KeyService.Cli.Fields;

/// <summary><c>keyservice field …</c>: one value by the service, from stdin, because arguments are seen by everybody on the machine.</summary>
internal static class FieldCommands
{
    public static Command Create() => new("field", "Encrypt and decrypt one value (stdin to stdout)") { Encrypt(), Decrypt() };

    private static Command Encrypt()
    {
        var key = GlobalOptions.Key();
        var context = GlobalOptions.Context();
        return new Command("encrypt", "Encrypt the bytes of stdin, at most 1 MiB, into a token in its text form") { key, context }.Runs(async run =>
        {
            var pairs = ContextPairs.Parse(run.Get(context)!);
            var plaintext = await InputFile.ReadSmallAsync(null, FieldToken.MaxPlaintextLength, run.Cancellation).ConfigureAwait(false);
            try
            {
                using var client = run.Connect();
                var field = await client.Cipher.EncryptAsync(run.Required(key), pairs, plaintext, run.Cancellation).ConfigureAwait(false);
                var token = FieldTokenText.Format(field.Token.Span);
                run.Report.WriteLine(new Record { ["key"] = run.Required(key), ["key_version"] = field.KeyVersion, ["token"] = token }, token);
            }
            finally
            {
                CryptographicOperations.ZeroMemory(plaintext);
            }
        });
    }

    private static Command Decrypt()
    {
        var context = GlobalOptions.Context();
        var output = GlobalOptions.Output("File (mode 0600) for the value; else stdout");
        var force = GlobalOptions.Force();
        return new Command("decrypt", "Decrypt a token from stdin, in its text form or raw") { context, output, force }.Runs(async run =>
        {
            var pairs = ContextPairs.Parse(run.Get(context)!);
            var token = await ReadTokenAsync(run.Cancellation).ConfigureAwait(false);
            // One value is text more often than not, and a person asked for it: a terminal may show it.
            using var file = OutputFile.Create(run.Get(output), force: run.Get(force) || run.Get(output) is null);
            using var client = run.Connect();
            var field = await client.Cipher.DecryptAsync(pairs, token, run.Cancellation).ConfigureAwait(false);
            file.Stream.Write(field.Plaintext.Span);
            file.Commit();
        });
    }

    private static async Task<byte[]> ReadTokenAsync(CancellationToken cancellation)
    {
        var limit = FieldTokenText.Length(FieldToken.MaxPlaintextLength + FieldToken.Overhead2) + 2;
        var input = await InputFile.ReadSmallAsync(null, limit, cancellation).ConfigureAwait(false);
        return TryParse(input) ?? throw new CliError(ExitCode.NotVerified, "NOT_A_TOKEN", "The input is not a field token.",
            "Give a token as field encrypt wrote it, beginning with ks1.");
    }

    internal static byte[]? TryParse(ReadOnlySpan<byte> input)
    {
        if (FieldTokenText.TryParse(Encoding.UTF8.GetString(input).Trim(), out var token))
        {
            return token;
        }
        return FieldToken.TryParse(input, out _) ? input.ToArray() : null;
    }
}
