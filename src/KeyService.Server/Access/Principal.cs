namespace KeyService.Server.Access;

/// <summary>Somebody who can call: a service, a person or an AI system. Immutable; a change makes a new one with a higher revision.</summary>
internal sealed record Principal
{
    /// <summary>1 to 64 characters of [a-z0-9._-], beginning with a letter or digit.</summary>
    public required string Name { get; init; }

    public required PrincipalType Type { get; init; }

    public required Credential Credential { get; init; }

    /// <summary>Refused everywhere; never enabled again.</summary>
    public required bool Disabled { get; init; }

    public required DateTimeOffset CreateTime { get; init; }

    /// <summary>1 when created, one more with each change.</summary>
    public required long Revision { get; init; }
}
