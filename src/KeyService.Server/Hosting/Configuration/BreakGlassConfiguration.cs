using KeyService.Server.Access;

namespace KeyService.Server.Hosting;

/// <summary>Section "breakGlass" of the configuration file: what an emergency gives.</summary>
internal sealed record BreakGlassConfiguration
{
    /// <summary>Permissions that a person has while its break-glass is open: of those that use keys or read. None that administers, exports or destroys.</summary>
    public IReadOnlyList<Permission> Permissions { get; init; } = [Permission.UnwrapDataKey, Permission.Decrypt, Permission.ReadKey];

    /// <summary>On which keys.</summary>
    public KeyPattern Keys { get; init; } = KeyPattern.All;

    /// <summary>How long, 1 to 60 minutes.</summary>
    public TimeSpan Length { get; init; } = TimeSpan.FromMinutes(60);

    /// <summary>Whether an emergency may be configured to give it.</summary>
    public static bool MayGive(Permission permission) => Access.Permissions.Uses(permission)
        || permission is Permission.ReadKey or Permission.ReadSystem or Permission.ReadAlarms or Permission.ReadHoldings or Permission.ReadAudit;
}
