namespace KeyService.Hsm;

/// <summary>What kind of failure a token had: enough to decide what to do next.</summary>
public enum HsmFault
{
    /// <summary>The module answered with a code nobody expects here; see function and code.</summary>
    Unexpected,

    /// <summary>The device, token or session is gone or hung. Calls may be repeated later; the token reconnects by itself.</summary>
    Unavailable,

    /// <summary>The configuration cannot be right (both PIN sources, no token named, a bound out of range).</summary>
    Misconfigured,

    /// <summary>The module file does not exist or is not a PKCS#11 module.</summary>
    ModuleNotFound,

    /// <summary>No token of that label or serial, or more than one.</summary>
    TokenNotFound,

    /// <summary>The PIN file is missing, empty, or readable by everybody.</summary>
    PinUnavailable,

    /// <summary>The token refused the PIN. It is not tried again in this process until it changes.</summary>
    PinIncorrect,

    /// <summary>The token is locked, or one wrong PIN away from it: a person must look.</summary>
    PinLocked,

    /// <summary>The token has no root key or no backup key yet.</summary>
    HierarchyMissing,

    /// <summary>A hierarchy key exists already, or two objects claim to be the same key.</summary>
    HierarchyConflict,

    /// <summary>A key came out of the module with attributes that it must not have, and they could not be corrected.</summary>
    AttributesWrong,

    /// <summary>A stored blob does not unwrap to the key it is said to be.</summary>
    IntegrityFailure,

    /// <summary>The module lacks a mechanism or fails its known-answer test.</summary>
    MechanismMissing,

    /// <summary>The KEK or integrity key is not loaded and nobody can supply its blob.</summary>
    KeyNotLoaded,
}
