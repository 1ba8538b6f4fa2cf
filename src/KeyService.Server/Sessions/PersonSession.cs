using KeyService.Server.Access;

namespace KeyService.Server.Sessions;

/// <summary>Why a session ended; frozen numbers.</summary>
internal enum SessionEnd : byte
{
    Closed = 1,
    Idle = 2,
    TooOld = 3,

    /// <summary>By an officer.</summary>
    Ended = 4,

    /// <summary>The person was locked.</summary>
    Locked = 5,

    /// <summary>The second factor was taken away.</summary>
    FactorRemoved = 6,
}

/// <summary>A session of a person at one revision.</summary>
internal sealed record PersonSession
{
    private const int IdLength = 16;

    /// <summary>SHA-256 of the token, lower-case hexadecimal: the token itself is nowhere here.</summary>
    public required string TokenHash { get; init; }

    public required string Principal { get; init; }

    /// <summary>The first factor that opened it, see <see cref="BindingOf"/>.</summary>
    public required string Binding { get; init; }

    public required DateTimeOffset OpenTime { get; init; }

    public required DateTimeOffset LastUseTime { get; init; }

    /// <summary>When a code was given last.</summary>
    public required DateTimeOffset ProofTime { get; init; }

    public required DateTimeOffset? EndTime { get; init; }

    public required SessionEnd? End { get; init; }

    public required string? EndedBy { get; init; }

    public required long Revision { get; init; }

    /// <summary>For lists and records.</summary>
    public string Id => TokenHash[..IdLength];

    /// <summary>Why it is over at <paramref name="now"/>; null while it stands.</summary>
    public SessionEnd? OverAt(DateTimeOffset now) => EndTime is not null ? End
        : now >= OpenTime + SessionLimits.Longest ? SessionEnd.TooOld
        : now >= LastUseTime + SessionLimits.Idle ? SessionEnd.Idle
        : null;

    /// <summary>A code was given so short a time ago that it may do what asks for one.</summary>
    public bool IsFresh(DateTimeOffset now) => now < ProofTime + SessionLimits.Fresh;

    public PersonSession Over(SessionEnd end, DateTimeOffset now, string? by) =>
        this with { EndTime = now, End = end, EndedBy = by, Revision = Revision + 1 };

    /// <summary>
    /// What of a connection a session is bound to: the certificate's public key, not its names, which another certificate may carry too; else the
    /// user id. Null when it proved nothing.
    /// </summary>
    public static string? BindingOf(ReadOnlySpan<Credential> presented)
    {
        string? binding = null;
        foreach (var credential in presented)
        {
            if (credential.Kind == CredentialKind.CertificatePublicKeySha256)
            {
                return $"key:{credential.Value}";
            }

            if (credential.Kind == CredentialKind.UnixUid)
            {
                binding = $"uid:{credential.Value}";
            }
        }

        return binding;
    }
}
