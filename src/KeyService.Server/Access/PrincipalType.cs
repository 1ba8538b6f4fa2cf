namespace KeyService.Server.Access;

/// <summary>Kind of a principal; frozen numbers, the same as in <c>access.proto</c>.</summary>
internal enum PrincipalType : byte
{
    Service = 1,
    Person = 2,

    /// <summary>Uses keys through the service only: never receives a data key (R11).</summary>
    AiSystem = 3,
}

/// <summary>Names of principal types, frozen: they stand in audit records.</summary>
internal static class PrincipalTypes
{
    public static string NameOf(PrincipalType type) => type switch
    {
        PrincipalType.Service => "service",
        PrincipalType.Person => "person",
        PrincipalType.AiSystem => "ai-system",
        _ => throw new ArgumentOutOfRangeException(nameof(type)),
    };
}
