using Net.Pkcs11Interop.Common;

namespace KeyService.Hsm.Pkcs11;

/// <summary>CK_RV values: names for people, classes for decisions. Numbers from PKCS#11 v2.40 and v3.0.</summary>
internal static class ReturnCodes
{
    internal const ulong Ok = (ulong)CKR.CKR_OK;

    internal static string Name(ulong code) =>
        code <= uint.MaxValue && Enum.IsDefined((CKR)(uint)code) ? ((CKR)(uint)code).ToString()
        : (code & 0x80000000) != 0 ? "CKR_VENDOR_DEFINED"
        : "CKR_UNKNOWN";

    /// <summary>The session is unusable but the token may be well: a fresh session is worth one try.</summary>
    internal static bool IsSessionLost(ulong code) => (CKR)(uint)code is
        CKR.CKR_SESSION_HANDLE_INVALID or CKR.CKR_SESSION_CLOSED or CKR.CKR_OPERATION_ACTIVE;

    /// <summary>Token, device or library state is gone: only a reconnect can help.</summary>
    internal static bool IsTokenLost(ulong code) => (CKR)(uint)code is
        CKR.CKR_DEVICE_ERROR or CKR.CKR_DEVICE_REMOVED or CKR.CKR_TOKEN_NOT_PRESENT or CKR.CKR_TOKEN_NOT_RECOGNIZED
        or CKR.CKR_CRYPTOKI_NOT_INITIALIZED or CKR.CKR_USER_NOT_LOGGED_IN or CKR.CKR_OBJECT_HANDLE_INVALID
        or CKR.CKR_KEY_HANDLE_INVALID or CKR.CKR_WRAPPING_KEY_HANDLE_INVALID or CKR.CKR_UNWRAPPING_KEY_HANDLE_INVALID
        or CKR.CKR_SLOT_ID_INVALID;

    /// <summary>The token is well and gives no more sessions.</summary>
    internal static bool IsOutOfSessions(ulong code) => code == (ulong)CKR.CKR_SESSION_COUNT;

    /// <summary>Codes that say nothing: a damaged input on some modules (SoftHSM answers a wrong tag so), a broken device on others.</summary>
    internal static bool IsAmbiguous(ulong code) => (CKR)(uint)code is CKR.CKR_GENERAL_ERROR or CKR.CKR_FUNCTION_FAILED;

    /// <summary>The input does not decrypt or unwrap: a plain "no", on modules that say so.</summary>
    internal static bool IsDamagedInput(ulong code) => (CKR)(uint)code is
        CKR.CKR_ENCRYPTED_DATA_INVALID or CKR.CKR_ENCRYPTED_DATA_LEN_RANGE or CKR.CKR_WRAPPED_KEY_INVALID
        or CKR.CKR_WRAPPED_KEY_LEN_RANGE or CKR.CKR_SIGNATURE_INVALID || code == AeadDecryptFailed;

    /// <summary>CKR_AEAD_DECRYPT_FAILED of PKCS#11 v3.0, younger than the enumeration of the binding.</summary>
    private const ulong AeadDecryptFailed = 0x42;
}
