using System.Security.Cryptography;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Files;
using KeyService.Crypto;
using KeyService.Crypto.Ceremonies;
using KeyService.Crypto.IO;
using KeyService.Crypto.Transfers;
using KeyService.Hsm;

namespace KeyService.Cli.Ceremonies;

/// <summary>The HSM: which one it is, its root key, and how the backup key comes into it.</summary>
internal static class TokenSteps
{
    internal const string BackupKeyFact = "backup-key.id";

    public static Task IdentifyAsync(CeremonyRun run, string step, CancellationToken cancellation)
    {
        var info = run.Token.Info;
        run.Fact("hsm.module", $"{info.ModulePath}, {info.LibraryManufacturer} {info.LibraryDescription} {info.LibraryVersion}");
        run.Fact("hsm.model", $"{info.TokenManufacturer} {info.TokenModel}, hardware {info.HardwareVersion}, firmware {info.FirmwareVersion}");
        run.Fact("hsm.label", info.TokenLabel);
        run.Fact("hsm.serial", info.TokenSerial);
        if (run.Token.DevelopmentOnly && !run.Plan.IsRehearsal)
        {
            run.Deviate(step, "This is a software token: its keys are files. It is for development only, and never for patients' data.");
        }
        if (run.Plan.Token?.TokenSerial is null
            && run.Desk.Ask($"Is {info.TokenSerial} the serial number on the device and in its papers? Enter for yes; otherwise type the one you read.") is { Length: > 0 } other)
        {
            run.Compare(step, "serial number", other, info.TokenSerial);
        }
        return Task.CompletedTask;
    }

    /// <summary>A token without a backup key.</summary>
    public static async Task IdentifyEmptyAsync(CeremonyRun run, string step, CancellationToken cancellation)
    {
        await IdentifyAsync(run, step, cancellation).ConfigureAwait(false);
        run.Compare(step, "backup key on the token", "none", run.Token.BackupKeyId ?? "none");
    }

    public static async Task MakeRootAsync(CeremonyRun run, CancellationToken cancellation)
    {
        await run.Token.InitializeHierarchyAsync(null, cancellation).ConfigureAwait(false);
        run.Observe("7", "The root key stands on the token: AES-256, made in it, wraps and unwraps, not extractable, not modifiable.");
    }

    public static async Task ImportBackupKeyAsync(CeremonyRun run, CancellationToken cancellation)
    {
        var id = run.RecordedFact(BackupKeyFact)!;
        if (run.Token.BackupKeyId != id)
        {
            var transferKey = await run.Token.GetTransferKeyAsync(cancellation).ConfigureAwait(false);
            run.Fact("transfer-key.fingerprint", Convert.ToHexStringLower(transferKey.Fingerprint));
            await run.Token.ImportBackupKeyAsync(SealedBackupKey.Seal(transferKey, run.BackupKey!), cancellation).ConfigureAwait(false);
        }
        run.Compare("8", "backup key on the token", id, run.Token.BackupKeyId ?? "none");
        foreach (var guarantee in run.Token.Guarantees)
        {
            run.Journal.Add(TranscriptEntryType.Observe, "8", $"{guarantee.Name}: {guarantee.State} ({guarantee.Statement})");
        }
        var missing = run.Token.Guarantees.Where(each => each.State != HsmGuaranteeState.Held).Select(each => each.Name).ToList();
        run.Desk.Say($"  {run.Token.Guarantees.Count - missing.Count} guarantees of the module were tried and hold.");
        if (missing.Count > 0)
        {
            run.Deviate("8", $"The module does not hold, or was not seen to hold: {string.Join(", ", missing)}.");
        }
    }

    /// <summary>A key made in the token comes out of its backup blob under the key that the custodians hold, and opens its check value.</summary>
    public static async Task ProveBackupAsync(CeremonyRun run, CancellationToken cancellation)
    {
        var id = KeyVersionId.NewRandom();
        var made = await run.Token.CreateKekAsync(id, cancellation).ConfigureAwait(false);
        await run.Token.UnloadAsync(id, cancellation).ConfigureAwait(false);
        using var kek = AesKeyWrap.Unwrap(run.BackupKey!.DangerousSpan, made.BackupBlob.AsSpan(1))
            ?? throw new CliError(ExitCode.NotVerified, "BACKUP_DOES_NOT_OPEN", "What the token wrapped under its backup key does not open under the custodians' key.",
                "The token holds another key than the shares. Stop, and begin again with a fresh token.");
        run.Compare("9", "check value of a key made for this", Convert.ToHexStringLower(SHA256.HashData(IdBytes(id))), Convert.ToHexStringLower(CheckValue(kek, id, made.CheckValue)));
        run.Observe("9", "A key made in the token was wrapped under the backup key there, opened here under the custodians' key, and decrypted what the token encrypted.");
    }

    public static async Task SealForOthersAsync(CeremonyRun run, CancellationToken cancellation)
    {
        if (run.Plan.TransferKeys.Count == 0)
        {
            run.Observe("10", "No other token was named.");
            return;
        }
        foreach (var path in run.Plan.TransferKeys)
        {
            var bytes = await InputFile.ReadSmallAsync(path, TransferKey.MaxLength, cancellation).ConfigureAwait(false);
            if (!TransferKey.TryParse(bytes, out var key))
            {
                throw CliError.Usage($"{path} is no transfer key.", "Write one with keyservice token transfer-key on the machine of that token.");
            }
            var fingerprint = Convert.ToHexStringLower(key!.Fingerprint);
            run.Desk.Say($"Token {key.TokenSerial}, transfer key {fingerprint}.");
            if (run.Desk.Ask("Type the last eight digits of the fingerprint as they stand on the paper that came with it.") != fingerprint[^8..])
            {
                throw new CliError(ExitCode.NotVerified, "OTHER_KEY", $"The transfer key of token {key.TokenSerial} is not the one on the paper.", "Nothing was sealed to it. Find out who exchanged it.");
            }
            var name = $"sealed-{key.TokenSerial.ToLowerInvariant()}.txt";
            var document = SealedBackupKey.Seal(key, run.BackupKey!).ToArray();
            DurableFile.DeleteLeftovers(Path.Combine(run.Directory, name));
            DurableFile.WriteAllBytes(Path.Combine(run.Directory, name), document, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            run.Observe("10", $"The backup key was sealed to token {key.TokenSerial}, transfer key {fingerprint}: {name}");
            run.Journal.Add(TranscriptEntryType.Attach, name, $"{Convert.ToHexStringLower(SHA256.HashData(document))} {document.Length}");
        }
    }

    private static byte[] CheckValue(SecretBuffer kek, KeyVersionId id, byte[] checkValue)
    {
        if (!WrappedDataKey.TryParse(checkValue, out var wrapped))
        {
            throw new InvalidDataException("The token gave no check value.");
        }
        var hash = new byte[SHA256.HashSizeInBytes];
        using var gcm = new AesGcm(kek.DangerousSpan, wrapped.Tag.Length);
        try
        {
            gcm.Decrypt(wrapped.Iv, wrapped.Ciphertext, wrapped.Tag, hash,
                AssociatedData.ToArray(AadPurpose.CheckValue, WrappedDataKey.Format, id, [], EncryptionContext.Empty));
        }
        catch (CryptographicException)
        {
            // Zeros, which nothing hashes to: told by the comparison.
        }
        return hash;
    }

    private static byte[] IdBytes(KeyVersionId id)
    {
        var bytes = new byte[8];
        id.WriteTo(bytes);
        return bytes;
    }
}
