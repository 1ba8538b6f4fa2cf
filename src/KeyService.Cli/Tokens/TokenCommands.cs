using System.CommandLine;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Files;
using KeyService.Cli.Output;
using KeyService.Crypto.Transfers;
using KeyService.Hsm;

namespace KeyService.Cli.Tokens;

/// <summary><c>keyservice token …</c>: on the machine of a token, which need not be the ceremony's.</summary>
internal static class TokenCommands
{
    public static Command Create() => new("token", "A token's transfer key, and backup keys that come in sealed to it") { TransferKeyCommand(), Import() };

    private static Command TransferKeyCommand()
    {
        var options = new TokenOptions();
        var output = new Option<string>("--output", "-o") { Description = "Where the transfer key goes; carry it to the ceremony", HelpName = "FILE", Required = true };
        var command = new Command("transfer-key", "Make a token's RSA key for incoming keys, and write its public half") { output };
        options.AddTo(command);
        return command.WithNotes("Write the fingerprint on paper, here, and bring it to the ceremony yourself: the file proves nothing about whose it is.").Runs(async run =>
        {
            var token = HsmToken.Open(options.Read(run));
            await using (token.ConfigureAwait(false))
            {
                var key = await token.GetTransferKeyAsync(run.Cancellation).ConfigureAwait(false);
                using var file = OutputFile.Create(run.Required(output), force: false);
                await file.Stream.WriteAsync(key.ToArray(), run.Cancellation).ConfigureAwait(false);
                file.Commit();
                run.Report.Write(new Record { ["token"] = key.TokenSerial, ["fingerprint"] = Convert.ToHexStringLower(key.Fingerprint), ["file"] = run.Required(output) });
            }
        });
    }

    private static Command Import()
    {
        var options = new TokenOptions();
        var path = new Argument<string>("FILE") { Description = "What the ceremony sealed (sealed-SERIAL.txt)" };
        var expected = new Option<string>("--backup-key") { Description = "Id of the backup key, 16 digits, from the ceremony's transcript", HelpName = "ID", Required = true };
        var command = new Command("import-backup-key", "Take a sealed backup key into its token, where it wraps and does nothing else") { path, expected };
        options.AddTo(command);
        return command.WithNotes("""
            Anybody can seal a key of their own to a public key, and would read every backup from then on: type the id from the paper of the ceremony, not from the
            file. The token's root key is made too, if it has none.
            """).Runs(async run =>
        {
            var bytes = await InputFile.ReadSmallAsync(run.Get(path), SealedBackupKey.MaxLength, run.Cancellation).ConfigureAwait(false);
            if (!SealedBackupKey.TryParse(bytes, out var key))
            {
                throw CliError.Usage($"{run.Get(path)} is no sealed backup key.", "A genesis writes one for each --transfer-key FILE that it is given.");
            }
            var id = Convert.ToHexStringLower(key!.KeyId.Span);
            if (id != run.Required(expected))
            {
                throw new CliError(ExitCode.NotVerified, "OTHER_KEY", $"The file holds backup key {id}, and {run.Required(expected)} is expected. Nothing was imported.",
                    "Compare with the ceremony's transcript; if the file is another one, find out who exchanged it.");
            }
            var token = HsmToken.Open(options.Read(run));
            await using (token.ConfigureAwait(false))
            {
                await token.InitializeHierarchyAsync(null, run.Cancellation).ConfigureAwait(false);
                await token.ImportBackupKeyAsync(key, run.Cancellation).ConfigureAwait(false);
                run.Report.Write(new Record { ["token"] = token.TokenId, ["backup_key"] = token.BackupKeyId });
            }
        });
    }
}
