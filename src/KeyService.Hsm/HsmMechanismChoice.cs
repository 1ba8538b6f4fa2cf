namespace KeyService.Hsm;

/// <summary>How a mechanism was tested before it was chosen.</summary>
public enum HsmMechanismProof
{
    /// <summary>A published known answer came out.</summary>
    KnownAnswer,

    /// <summary>The result was checked by an independent implementation in this process.</summary>
    CrossCheck,

    /// <summary>The module imports no key values, so no known answer can be asked for; round trips and check values must do.</summary>
    Untestable,
}

/// <summary>Which mechanism of the module serves an algorithm. Chosen by its answer, not by its number.</summary>
/// <param name="Algorithm">The algorithm, for example <c>AES-KW (RFC 3394)</c>.</param>
/// <param name="Mechanism">The CKM number on this module.</param>
/// <param name="MechanismName">Its name in the standard.</param>
/// <param name="Proof">How it was tested.</param>
/// <param name="Vector">The vector or check that was used.</param>
public sealed record HsmMechanismChoice(
    string Algorithm,
    ulong Mechanism,
    string MechanismName,
    HsmMechanismProof Proof,
    string Vector);
