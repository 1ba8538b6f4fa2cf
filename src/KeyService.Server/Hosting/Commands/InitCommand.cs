using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Hsm;
using KeyService.Server.Access;
using KeyService.Server.Restore;
using KeyService.Server.Storage;

namespace KeyService.Server.Hosting;

/// <summary>
/// <c>init</c>: makes an installation of an initialised token and an empty store: hierarchy, integrity key, schema, first
/// administrator. What an interrupted run left is taken up; an installation that stands is never touched.
/// </summary>
internal static class InitCommand
{
    private const int InstallationIdBytes = 16;

    public static async Task<ExitCode> RunAsync(
        string configurationPath, FirstAdministrator administrator, DatabaseOwner? owner, CancellationToken cancellation)
    {
        ProcessHardening.DisableCoreDumps();
        CrashDumps.Refuse();
        var configuration = ConfigurationFile.Load(configurationPath);
        var time = TimeProvider.System;
        Directory.CreateDirectory(configuration.DataDirectory);
        if (owner is not null)
            owner.Prepare(configuration, time);
        await using var store = ServiceCore.OpenStore(configuration, StoreMode.Create, time);
        if (await Installation.ReadAsync(store, cancellation) is { } standing)
        {
            throw new StartUpException(ExitCode.InUse,
                $"The store {configuration.StoreName} holds an installation of {standing.CreateTime:u} already; "
                + "nothing was changed. Start it with serve.");
        }
        if (await Restoration.PeekAsync(store, cancellation) is { } begun)
        {
            throw new StartUpException(ExitCode.InUse,
                $"A restore was begun in the store {configuration.StoreName} on {begun.BeginTime:u} and has not ended; nothing was changed. "
                + "Run restore again with the same bundles, or name an empty store.");
        }
        await using var hsm = ServiceCore.OpenHsm(configuration, time, events: null);
        if (!hsm.HasHierarchy)
            await hsm.InitializeHierarchyAsync(configuration.DevelopmentBackupKeyPath, cancellation);
        var integrity = await hsm.CreateIntegrityKeyAsync(cancellation);
        await hsm.LoadIntegrityKeyAsync(integrity.RootBlob, integrity.CheckValue, cancellation);
        await NewInstallation.CreateAsync(
            store,
            new RowAuthenticator(hsm.MacAsync),
            RandomNumberGenerator.GetBytes(InstallationIdBytes),
            [
                new IntegrityKeyBlob(integrity.TokenId, integrity.RootBlob, integrity.CheckValue),
                new IntegrityKeyBlob($"backup:{integrity.BackupKeyId}", integrity.BackupBlob, integrity.CheckValue),
            ],
            administrator.Name,
            PrincipalType.Person,
            administrator.Credential,
            CancellationToken.None);
        await Console.Out.WriteLineAsync(
            $"keyservice: initialised {configuration.StoreName} on token {hsm.Info.TokenLabel} ({hsm.TokenId}); "
            + $"administrator {administrator.Name} is {administrator.Credential.Value}");
        if (File.Exists(configuration.DevelopmentBackupKeyPath))
            await Console.Error.WriteLineAsync(
                $"DEVELOPMENT ONLY: the backup key's value lies in {configuration.DevelopmentBackupKeyPath}.");
        return ExitCode.Ok;
    }
}
