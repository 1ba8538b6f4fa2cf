namespace KeyService.Server.Access;

/// <summary>
/// Somebody who can call: a service, a person or an AI system. Immutable; a change makes a new one with a higher revision.
/// </summary>
internal sealed record Principal
{
    private const int MaxNameLength = 64;

    /// <summary>1 to 64 characters of [a-z0-9._-], beginning with a letter or digit.</summary>
    public required string Name { get; init; }

    public required PrincipalType Type { get; init; }

    public required Credential Credential { get; init; }

    /// <summary>Refused everywhere; never enabled again.</summary>
    public required bool Disabled { get; init; }

    public required DateTimeOffset CreateTime { get; init; }

    /// <summary>1 when created, 2 when disabled.</summary>
    public required long Revision { get; init; }

    public static bool IsName(string name) =>
        name.Length is > 0 and <= MaxNameLength
        && name[0] is not ('.' or '_' or '-')
        && name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '.' or '_' or '-');
}
