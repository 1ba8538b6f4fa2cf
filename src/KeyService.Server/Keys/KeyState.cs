using System.Collections.Frozen;

namespace KeyService.Server.Keys;

/// <summary>States of a key version, NIST SP 800-57 part 1. Frozen numbers, the same as in <c>keys.proto</c>.</summary>
internal enum KeyState : byte
{
    PreActivation = 1,
    Active = 2,
    Suspended = 3,
    Deactivated = 4,
    Compromised = 5,
    Destroyed = 6,
}

/// <summary>Whether a version decrypts and unwraps what was protected under it before.</summary>
internal enum Processing
{
    Refused,
    Allowed,

    /// <summary>As was said when it was suspended.</summary>
    AsSuspended,

    /// <summary>Allowed, and the caller and the record are told.</summary>
    WithWarning,
}

/// <summary>What one state may do, and which states may follow it.</summary>
internal sealed record KeyStateRule(bool Protects, Processing Processing, IReadOnlyList<KeyState> Next);

/// <summary>
/// Which state may do what and which transitions there are: the one table (NIST SP 800-57 part 1, section 7). Nothing leads back from
/// deactivated or compromised, and a version that is in use is destroyed only after it was deactivated or compromised.
/// </summary>
internal static class KeyStates
{
    private static readonly FrozenDictionary<KeyState, KeyStateRule> Table = new Dictionary<KeyState, KeyStateRule>
    {
        [KeyState.PreActivation] = new(false, Processing.Refused, [KeyState.Active, KeyState.Compromised, KeyState.Destroyed]),
        [KeyState.Active] = new(true, Processing.Allowed, [KeyState.Suspended, KeyState.Deactivated, KeyState.Compromised]),
        [KeyState.Suspended] = new(false, Processing.AsSuspended, [KeyState.Active, KeyState.Deactivated, KeyState.Compromised]),
        [KeyState.Deactivated] = new(false, Processing.Allowed, [KeyState.Compromised, KeyState.Destroyed]),
        [KeyState.Compromised] = new(false, Processing.WithWarning, [KeyState.Destroyed]),
        [KeyState.Destroyed] = new(false, Processing.Refused, []),
    }.ToFrozenDictionary();

    public static KeyStateRule Of(KeyState state) => Table[state];

    /// <summary>Encrypt and wrap.</summary>
    public static bool MayProtect(KeyState state) => Table[state].Protects;

    public static bool MayFollow(KeyState from, KeyState to) => Table[from].Next.Contains(to);

    /// <summary>As people write it: "pre-activation".</summary>
    public static string NameOf(KeyState state) => state == KeyState.PreActivation ? "pre-activation" : state.ToString().ToLowerInvariant();
}
