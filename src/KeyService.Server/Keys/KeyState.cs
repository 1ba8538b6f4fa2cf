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

/// <summary>Which state may do what: the one table.</summary>
internal static class KeyStates
{
    /// <summary>Encrypt and wrap.</summary>
    public static bool MayProtect(KeyState state) => state is KeyState.Active;

    /// <summary>Decrypt and unwrap what was protected before.</summary>
    public static bool MayProcess(KeyState state) => state
        is KeyState.Active or KeyState.Suspended or KeyState.Deactivated or KeyState.Compromised;
}
