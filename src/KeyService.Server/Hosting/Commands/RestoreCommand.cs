using System.Diagnostics;
using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Crypto.Backups;
using KeyService.Server.Restore;
using KeyService.Server.Storage;
using Microsoft.Win32.SafeHandles;

namespace KeyService.Server.Hosting;

/// <summary>
/// <c>restore</c>: makes the installation of bundles again, on an initialised token and an empty store. The backup key comes over a descriptor, never in
/// an argument or the environment. Killed, it goes on when it is run again.
/// </summary>
internal static class RestoreCommand
{
    private const int BackupKeyBytes = 32;
    private const int MaxPemLength = 64 * 1024;

    public static async Task<ExitCode> RunAsync(
        string configurationPath, IReadOnlyList<string> bundles, string signingKeyPath, int backupKeyDescriptor, FirstAdministrator administrator,
        DatabaseOwner? owner, bool json, CancellationToken cancellation)
    {
        ProcessHardening.DisableCoreDumps();
        CrashDumps.Refuse();
        var started = Stopwatch.GetTimestamp();
        var configuration = ConfigurationFile.Load(configurationPath);
        var time = TimeProvider.System;
        var output = new RestoreOutput(json);
        using var backupKey = ReadBackupKey(backupKeyDescriptor);
        output.Stage($"verifying {bundles.Count} {(bundles.Count == 1 ? "bundle" : "bundles")}");
        var chain = await BundleChain.VerifyAsync([.. bundles.Select(SourceOf)], ReadSigningKey(signingKeyPath), cancellation);
        if (chain.IsSelection)
        {
            throw new StartUpException(ExitCode.Configuration,
                $"{chain.NameOf(0)} is a selection of keys, of which no installation is made; nothing was changed. Name the newest full bundle and the incremental ones after it.");
        }
        DemandBackupKey(backupKey, chain);

        Directory.CreateDirectory(configuration.DataDirectory);
        if (owner is not null)
            owner.Prepare(configuration, time);
        await using var store = ServiceCore.OpenStore(configuration, StoreMode.Create, time);
        Restoration? begun;
        try
        {
            begun = await StoreRestore.LookAsync(store, chain, cancellation);
        }
        catch (AlreadyRestoredException exception)
        {
            output.Stands(exception.Restoration);
            throw;
        }
        await using var hsm = ServiceCore.OpenHsm(configuration, time, events: null);
        var restored = await new StoreRestore(store, hsm, backupKey, chain).RunAsync(begun, administrator, output.Stage, output, cancellation);
        output.Restored(restored, chain, hsm, administrator, configuration, Stopwatch.GetElapsedTime(started));
        return ExitCode.Ok;
    }

    // Before a store is made or a token opened: the wrong shares must leave nothing behind.
    private static void DemandBackupKey(SecretBuffer backupKey, BundleChain chain)
    {
        var id = Convert.ToHexStringLower(BackupKeyId.Of(backupKey));
        if (id != chain.BackupKeyId)
        {
            throw new StartUpException(ExitCode.Configuration,
                $"The backup key that was given is {id}, and the bundles are under {chain.BackupKeyId}; nothing was imported. Combine the shares of the right set.");
        }
    }

    private static BundleSource SourceOf(string path) => new(path, () =>
    {
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0, FileOptions.Asynchronous | FileOptions.SequentialScan);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new StartUpException(ExitCode.Configuration, $"The bundle {path} cannot be read: {exception.Message}", exception);
        }
    });

    /// <summary>32 bytes and the end, from the descriptor straight into locked memory.</summary>
    private static SecretBuffer ReadBackupKey(int descriptor)
    {
        var value = new SecretBuffer(BackupKeyBytes);
        try
        {
            using var handle = new SafeFileHandle(descriptor, ownsHandle: false);
            using var stream = new FileStream(handle, FileAccess.Read, bufferSize: 0);
            var read = stream.ReadAtLeast(value.DangerousSpan, BackupKeyBytes, throwOnEndOfStream: false);
            using var more = new SecretBuffer(1);
            if (read == BackupKeyBytes && stream.Read(more.DangerousSpan) == 0)
            {
                return value;
            }
            throw new StartUpException(ExitCode.Configuration,
                $"Descriptor {descriptor} does not hold a backup key: it must give 32 bytes and end. keyservice ceremony combines shares and hands the key over.");
        }
        catch (Exception exception)
        {
            value.Dispose();
            if (exception is StartUpException)
                throw;
            throw new StartUpException(ExitCode.Configuration, $"The backup key cannot be read from descriptor {descriptor}: {exception.Message}");
        }
    }

    private static byte[] ReadSigningKey(string path)
    {
        try
        {
            var text = new FileInfo(path).Length <= MaxPemLength ? File.ReadAllText(path) : "";
            using var key = ECDsa.Create();
            key.ImportFromPem(text);
            var bytes = key.ExportSubjectPublicKeyInfo();
            if (bytes.Length == BundleFormat.SigningKeyLength)
                return bytes;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new StartUpException(ExitCode.Configuration, $"The signing key cannot be read: {exception.Message}", exception);
        }
        catch (Exception exception) when (exception is CryptographicException or ArgumentException)
        {
            // Said below.
        }
        throw new StartUpException(ExitCode.Configuration,
            $"{path} holds no P-256 public key. It is what keyservice backup signing-key wrote while the installation stood (-----BEGIN PUBLIC KEY-----).");
    }
}
