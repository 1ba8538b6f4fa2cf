namespace KeyService.Server.Access;

/// <summary>Which pairs hold, configured as <c>access.separation</c>.</summary>
internal enum SeparationLevel
{
    /// <summary>Every pair but those that only the strict level has.</summary>
    Standard,

    /// <summary>Also: who administers access does not administer keys, whatever they were granted by.</summary>
    Strict,
}

/// <summary>Two duties that may not meet in one hand.</summary>
/// <param name="StrictOnly">Holds at <see cref="SeparationLevel.Strict"/> only.</param>
internal sealed record ForbiddenPair(Duty First, Duty Second, bool StrictOnly = false)
{
    public bool HoldsAt(SeparationLevel level) => !StrictOnly || level == SeparationLevel.Strict;

    public bool Concerns(Permission permission) => First.Has(permission) || Second.Has(permission);

    /// <summary>What of these grants makes the pair, as a sentence's object: "create-key (administration) and encrypt (the use of keys)"; null when they do not meet.</summary>
    public string? MetBy(IReadOnlyCollection<Grant> grants)
    {
        var first = First.HeldBy(grants);
        var second = first.Count == 0 ? first : Second.HeldBy(grants);
        return second.Count == 0 ? null : $"{string.Join(", ", first)} ({First.Name}) and {string.Join(", ", second)} ({Second.Name})";
    }
}

/// <summary>Separation of duties (R3): the one table of what may not meet in one hand, asked when something is granted and with each call.</summary>
internal static class Separation
{
    private static readonly Duty Administration = Duty.Of("administration", Permissions.Administers);
    private static readonly Duty Use = Duty.Of("the use of keys", Permissions.Uses);
    private static readonly Duty AccessAdministration = Duty.Of("administration of access", permission => permission == Permission.AdministerAccess);
    private static readonly Duty AccessAttestation = Duty.Of("attestation of access", permission => permission == Permission.AttestAccess);
    private static readonly Duty KeyAdministration = Duty.Of("administration of keys", permission => permission
        is Permission.CreateKey or Permission.RotateKey or Permission.ChangeKeyState or Permission.SetKeyPolicy or Permission.DestroyKey
        or Permission.AdministerHoldings);

    // What an officer oversees; to suspend a version or declare it compromised is the officer's own.
    private static readonly Duty Overseen = Duty.Of("what an officer oversees", permission => permission
        is Permission.CreateKey or Permission.RotateKey or Permission.SetKeyPolicy or Permission.DestroyKey or Permission.AdministerHoldings
        or Permission.AdministerAccess);

    private static readonly Duty NotReading = Duty.Of("anything but reading", permission => !Role.Auditor.Permissions.Contains(permission));

    public static readonly IReadOnlyList<ForbiddenPair> Pairs =
    [
        new(Administration, Use),
        new(Duty.Of(Role.Auditor), NotReading),
        new(Duty.Of(Role.AccessManager), KeyAdministration),
        new(Duty.Of(Role.KeyAdministrator), AccessAdministration),
        new(Duty.Of(Role.SecurityOfficer), Overseen),
        new(AccessAdministration, AccessAttestation),
        new(AccessAdministration, KeyAdministration, StrictOnly: true),
    ];

    /// <summary>What meets in these grants and may not, as <see cref="ForbiddenPair.MetBy"/> says it; null when nothing does.</summary>
    public static string? Find(IReadOnlyCollection<Grant> grants, SeparationLevel level) =>
        Pairs.Where(pair => pair.HoldsAt(level)).Select(pair => pair.MetBy(grants)).FirstOrDefault(met => met is not null);

    /// <summary>As <see cref="Find"/>, of pairs that the permission is a part of: both sides are refused, everything else goes on.</summary>
    public static string? Refusing(Permission permission, IReadOnlyCollection<Grant> grants, SeparationLevel level) =>
        Pairs.Where(pair => pair.HoldsAt(level) && pair.Concerns(permission)).Select(pair => pair.MetBy(grants)).FirstOrDefault(met => met is not null);
}
