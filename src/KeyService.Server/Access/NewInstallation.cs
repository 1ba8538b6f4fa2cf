using KeyService.Crypto;
using KeyService.Server.Audit;
using KeyService.Server.Storage;

namespace KeyService.Server.Access;

/// <summary>
/// Makes an installation with the one principal that can register all others: once, by <c>init</c>, past the RPCs because nobody can call
/// them yet.
/// </summary>
internal static class NewInstallation
{
    /// <summary>Administers and reads; separation of duties keeps every permission that uses keys from it.</summary>
    private static readonly Permission[] AdministratorPermissions =
    [
        Permission.CreateKey, Permission.ReadKey, Permission.RotateKey, Permission.AdministerAccess, Permission.ReadAudit, Permission.ReadSystem,
        Permission.ChangeKeyState, Permission.SetKeyPolicy, Permission.DestroyKey, Permission.ReadAlarms, Permission.AcknowledgeAlarm,
        Permission.ReadBackup, Permission.ExportBackup, Permission.ReadHoldings, Permission.ReportHolding,
        Permission.AdministerHoldings, Permission.AcceptStore, Permission.AdministerPeople, Permission.OpenBreakGlass, Permission.ReviewBreakGlass, Permission.ReadApprovals,
        Permission.DecideApprovals, Permission.InstallRoster, Permission.ReadAccess, Permission.ExportAudit,
        Permission.ReadFindings, Permission.ReviewFindings, Permission.SignOffReview,
        Permission.ArchiveAudit, Permission.DeleteAudit, Permission.ExportEvidence,
        Permission.RotateAuditKey,
    ];

    /// <summary>Installation, administrator, grant and their audit record in one commit.</summary>
    /// <param name="rows">By the integrity key that <paramref name="blobs"/> hold, which the HSM has loaded.</param>
    /// <param name="installationId">16 random bytes.</param>
    /// <exception cref="ArgumentException">The name breaks its rule.</exception>
    /// <exception cref="InvalidOperationException">The store holds an installation already.</exception>
    public static Task<CommitReceipt> CreateAsync(
        IStore store, RowAuthenticator rows, byte[] installationId, IReadOnlyList<IntegrityKeyBlob> blobs,
        string name, PrincipalType type, Credential credential, CancellationToken cancellationToken)
    {
        if (!Principal.IsName(name))
        {
            throw new ArgumentException("A principal's name is 1 to 64 characters of [a-z0-9._-] and begins with a letter or digit.", nameof(name));
        }

        var record = new AuditRecordDraft(AuditEvent.InstallationCreated)
        {
            Authentication = "console",
            Detail = $"first administrator {name}, {credential.Kind} {credential.Value}",
        };
        return store.CommitAsync(
            record,
            async transaction =>
            {
                await Installation.CreateAsync(transaction, rows, installationId, blobs);
                await AddAdministratorAsync(transaction, rows, name, type, credential);
            },
            cancellationToken);
    }

    /// <summary>Part of the change that makes an installation: its first principal, and the grant that lets it register all others.</summary>
    /// <param name="name">Keeps the rule of principals' names.</param>
    public static async Task AddAdministratorAsync(IStoreTransaction transaction, RowAuthenticator rows, string name, PrincipalType type, Credential credential)
    {
        var table = new AccessRows(rows);
        await table.InsertAsync(transaction, new Principal
        {
            Name = name, Type = type, Credential = credential, Disabled = false, CreateTime = transaction.Time, Revision = 1,
        });
        await table.InsertAsync(transaction, new Grant
        {
            Id = AccessAdministration.NewId(),
            Principal = name,
            Permissions = AdministratorPermissions,
            KeyPattern = KeyPattern.All,
            ContextConstraint = EncryptionContext.Empty,
            ExpireTime = null,
            CreateTime = transaction.Time,
            Revoked = false,
            Revision = 1,
        });
    }
}
