namespace KeyService.Crypto.Ceremonies;

/// <summary>What somebody does in a ceremony. Nobody has two roles: who drives holds no share, who witnesses does neither.</summary>
public static class CeremonyRole
{
    /// <summary>Drives the ceremony; holds no share.</summary>
    public const string Administrator = "administrator";

    /// <summary>Sees every step and records what goes otherwise; holds no share.</summary>
    public const string Witness = "witness";

    /// <summary>Holds a share.</summary>
    public const string Custodian = "custodian";

    /// <summary>Named beforehand, takes the place of a custodian who does not come.</summary>
    public const string Alternate = "alternate";

    /// <summary>Looks on, from outside of the team.</summary>
    public const string Auditor = "auditor";

    /// <summary>Brings a share that is replaced by others'.</summary>
    public const string FormerCustodian = "former-custodian";

    /// <summary>Decides with others what nobody may do alone; enrolled with a key of his or her own.</summary>
    public const string Officer = "officer";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<string> All { get; } = [Administrator, Witness, Custodian, Alternate, Auditor, FormerCustodian, Officer];
}
