using System.Collections.Frozen;

namespace KeyService.Server.Access;

/// <summary>Names of permissions, and which may not meet in one hand.</summary>
internal static class Permissions
{
    private static readonly FrozenDictionary<Permission, string> Names =
        Enum.GetValues<Permission>().Where(each => each != Permission.None).ToFrozenDictionary(each => each, each => KebabName.Of(each.ToString()));

    private static readonly FrozenDictionary<string, Permission> ByName =
        Names.ToFrozenDictionary(pair => pair.Value, pair => pair.Key, StringComparer.Ordinal);

    /// <summary>Every name that a grant may hold.</summary>
    public static IEnumerable<string> AllNames => Names.OrderBy(pair => pair.Key).Select(pair => pair.Value);

    /// <summary>For example "generate-data-key".</summary>
    public static string NameOf(Permission permission) => Names[permission];

    public static bool TryParse(string name, out Permission permission) => ByName.TryGetValue(name, out permission);

    /// <summary>Uses keys.</summary>
    public static bool Uses(Permission permission) => permission
        is Permission.GenerateDataKey or Permission.UnwrapDataKey or Permission.RewrapDataKey
        or Permission.Encrypt or Permission.Decrypt or Permission.Reencrypt;

    /// <summary>
    /// Administers keys or access: whoever holds one of these cannot be given one that <see cref="Uses"/> keys, nor the other way round
    /// (R3).
    /// </summary>
    public static bool Administers(Permission permission) => permission
        is Permission.CreateKey or Permission.RotateKey or Permission.AdministerAccess or Permission.ChangeKeyState or Permission.SetKeyPolicy
        or Permission.DestroyKey or Permission.ExportBackup or Permission.AdministerHoldings or Permission.AcceptStore
        or Permission.AdministerPeople or Permission.ReviewBreakGlass or Permission.DecideApprovals or Permission.InstallRoster
        or Permission.DeleteAudit
        or Permission.RotateAuditKey;

    /// <summary>Hands data keys out.</summary>
    public static bool HandsOutDataKeys(Permission permission) => permission is Permission.GenerateDataKey or Permission.UnwrapDataKey;

    /// <summary>Concerns one key at a time, so a grant of it may name a key pattern.</summary>
    public static bool ConcernsKeys(Permission permission) => Uses(permission)
        || permission is Permission.CreateKey or Permission.ReadKey or Permission.RotateKey or Permission.ChangeKeyState or Permission.SetKeyPolicy
            or Permission.DestroyKey;
}
