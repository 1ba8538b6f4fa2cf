namespace KeyService.Server.Evidence;

/// <summary>
/// An implementation specification of 45 CFR 164.312 that is addressable: the site implements it, or writes down why not and what it does instead
/// (164.306(d)(3)). The other specifications of 164.312 are required, and nothing can be decided about them.
/// </summary>
internal sealed record AddressableSafeguard(string Paragraph, string Title)
{
    /// <summary>The section that they are all of.</summary>
    public const string Section = "164.312";

    /// <summary>All that there are in 164.312.</summary>
    public static IReadOnlyList<AddressableSafeguard> All { get; } =
    [
        new("164.312(a)(2)(iii)", "Automatic logoff"),
        new("164.312(a)(2)(iv)", "Encryption and decryption"),
        new("164.312(c)(2)", "Mechanism to authenticate electronic protected health information"),
        new("164.312(e)(2)(i)", "Integrity controls in transmission"),
        new("164.312(e)(2)(ii)", "Encryption in transmission"),
    ];
}
