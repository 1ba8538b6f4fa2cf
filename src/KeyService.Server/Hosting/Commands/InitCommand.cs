using System.Buffers.Binary;
using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Hsm;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;

namespace KeyService.Server.Hosting;

/// <summary>
/// <c>init</c>: makes an installation of an initialised token and an empty store: hierarchy, integrity key, schema, first
/// administrator. What an interrupted run left is taken up; an installation that stands is never touched.
/// </summary>
internal static class InitCommand
{
    private const int InstallationIdBytes = 16;

    /// <summary>What an administrator may: keys and access, reading the log and the status. Not: using a key.</summary>
    private static readonly Permission[] AdministratorPermissions =
    [
        Permission.CreateKey, Permission.ReadKey, Permission.RotateKey, Permission.AdministerAccess, Permission.ReadAudit, Permission.ReadSystem,
    ];

    public static async Task<ExitCode> RunAsync(string configurationPath, FirstAdministrator administrator, CancellationToken cancellation)
    {
        ProcessHardening.DisableCoreDumps();
        var configuration = ConfigurationFile.Load(configurationPath);
        var time = TimeProvider.System;
        Directory.CreateDirectory(configuration.DataDirectory);
        await using var store = ServiceCore.OpenStore(configuration, SqliteStoreMode.Create, time);
        if (await Installation.ReadAsync(store, cancellation) is { } standing)
        {
            throw new StartUpException(ExitCode.InUse,
                $"The store {configuration.SqlitePath} holds an installation of {standing.CreateTime:u} already; nothing was changed. Start it with serve.");
        }
        await using var hsm = ServiceCore.OpenHsm(configuration, time, events: null);
        if (!hsm.HasHierarchy)
            await hsm.InitializeHierarchyAsync(configuration.DevelopmentBackupKeyPath, cancellation);
        var integrity = await hsm.CreateIntegrityKeyAsync(cancellation);
        await hsm.LoadIntegrityKeyAsync(integrity.RootBlob, integrity.CheckValue, cancellation);
        await CreateAsync(store, new RowAuthenticator(hsm.MacAsync), integrity, administrator);
        await Console.Out.WriteLineAsync($"keyservice: initialised {configuration.SqlitePath} on token {hsm.Info.TokenLabel} ({hsm.TokenId}); "
            + $"administrator {administrator.Name} is {administrator.Credential.Value}");
        if (File.Exists(configuration.DevelopmentBackupKeyPath))
            await Console.Error.WriteLineAsync($"DEVELOPMENT ONLY: the backup key's value lies in {configuration.DevelopmentBackupKeyPath}.");
        return ExitCode.Ok;
    }

    private static async Task CreateAsync(IStore store, RowAuthenticator rows, NewIntegrityKey integrity, FirstAdministrator administrator)
    {
        var record = new AuditRecordDraft(AuditEvent.InstallationCreated)
        {
            Source = Environment.MachineName,
            Detail = $"administrator {administrator.Name}",
        };
        await store.CommitAsync(record, async transaction =>
        {
            await Installation.CreateAsync(transaction, rows, RandomNumberGenerator.GetBytes(InstallationIdBytes),
            [
                new IntegrityKeyBlob(integrity.TokenId, integrity.RootBlob, integrity.CheckValue),
                new IntegrityKeyBlob($"backup:{integrity.BackupKeyId}", integrity.BackupBlob, integrity.CheckValue),
            ]);
            var access = new AccessRows(rows);
            await access.InsertAsync(transaction, new Principal
            {
                Name = administrator.Name,
                Type = PrincipalType.Person,
                Credential = administrator.Credential,
                Disabled = false,
                CreateTime = transaction.Time,
                Revision = 1,
            });
            await access.InsertAsync(transaction, new Grant
            {
                Id = BinaryPrimitives.ReadUInt64BigEndian(RandomNumberGenerator.GetBytes(sizeof(ulong))),
                Principal = administrator.Name,
                Permissions = AdministratorPermissions,
                KeyPattern = KeyPattern.All,
                ContextConstraint = EncryptionContext.Empty,
                ExpireTime = null,
                CreateTime = transaction.Time,
                Revoked = false,
                Revision = 1,
            });
        }, CancellationToken.None);
    }
}
