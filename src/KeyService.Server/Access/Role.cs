using System.Collections.Frozen;

namespace KeyService.Server.Access;

/// <summary>
/// A set of permissions that a grant can name as one. The table is fixed: what a role may do changes with a version of the service and never by a row.
/// </summary>
/// <param name="Name">Frozen: it stands in rows and in <c>access.proto</c>.</param>
/// <param name="Permissions">Ascending by number.</param>
internal sealed record Role(string Name, IReadOnlyList<Permission> Permissions)
{
    /// <summary>Before a role's name in the column <c>grants.permissions</c>, where no permission's name has a colon.</summary>
    public const string RowPrefix = "role:";

    public static readonly Role DataUser = new("data-user",
    [
        Permission.GenerateDataKey, Permission.UnwrapDataKey, Permission.RewrapDataKey, Permission.Encrypt, Permission.Decrypt, Permission.Reencrypt,
    ]);

    /// <summary>Writes and never reads back: what it protects is opened by whoever restores.</summary>
    public static readonly Role BackupJob = new("backup-job", [Permission.GenerateDataKey, Permission.RewrapDataKey, Permission.Encrypt]);

    public static readonly Role KeyAdministrator = new("key-administrator",
    [
        Permission.CreateKey, Permission.ReadKey, Permission.RotateKey, Permission.ReadSystem, Permission.ChangeKeyState, Permission.SetKeyPolicy,
        Permission.DestroyKey, Permission.ReadAlarms, Permission.ReadHoldings, Permission.ReportHolding, Permission.AdministerHoldings,
    ]);

    public static readonly Role SecurityOfficer = new("security-officer",
    [
        Permission.ReadKey, Permission.ReadAudit, Permission.ReadSystem, Permission.ChangeKeyState, Permission.ReadAlarms, Permission.AcknowledgeAlarm,
        Permission.ReadBackup, Permission.ExportBackup, Permission.ReadHoldings, Permission.AcceptStore,
        Permission.ExportAudit, Permission.RotateAuditKey, Permission.AdministerPeople, Permission.ReviewBreakGlass,
        Permission.ReadApprovals, Permission.DecideApprovals, Permission.InstallRoster,
        Permission.ReadFindings, Permission.ReviewFindings, Permission.SignOffReview, Permission.DeleteAudit,
    ]);

    public static readonly Role Auditor = new("auditor",
    [
        Permission.ReadKey, Permission.ReadAudit, Permission.ReadSystem, Permission.ReadAlarms, Permission.ReadBackup, Permission.ReadHoldings, Permission.ExportAudit,
        Permission.ReadApprovals, Permission.ReadAccess, Permission.ReadFindings, Permission.ExportEvidence,
    ]);

    public static readonly Role AccessManager = new("access-manager", [Permission.AdministerAccess, Permission.ReadAccess]);

    /// <summary>What a system of this type may do at most (R11).</summary>
    public static readonly Role AiSystem = new("ai-system", [Permission.Encrypt, Permission.Decrypt]);

    private static readonly FrozenDictionary<string, Role> ByName = new[]
    {
        DataUser, BackupJob, KeyAdministrator, SecurityOfficer, Auditor, AccessManager, AiSystem,
    }.ToFrozenDictionary(role => role.Name, StringComparer.Ordinal);

    /// <summary>All of them, by name.</summary>
    public static IEnumerable<Role> All => ByName.Values.OrderBy(role => role.Name, StringComparer.Ordinal);

    /// <summary>Null for a name that this version does not know.</summary>
    public static Role? Find(string name) => ByName.GetValueOrDefault(name);

    public override string ToString() => Name;
}
