using System.Security.Cryptography;
using KeyService.Hsm.Connection;
using KeyService.Hsm.Pkcs11;
using Net.Pkcs11Interop.Common;

namespace KeyService.Hsm.Sessions;

/// <summary>
/// One PKCS#11 session, used by one thread at a time. This part: the calls that carry secrets or run in the hot path, pointer to pointer.
/// After a code nobody expects the session is broken and must not be rented again: an operation may still be active in it.
/// </summary>
internal sealed unsafe partial class HsmSession
{
    internal const int GcmIvLength = 12;
    internal const int GcmTagLength = 16;

    private readonly Pkcs11Module module;
    private readonly NativeCalls native;

    internal HsmSession(Pkcs11Module module, ulong slotId, bool readWrite)
    {
        this.module = module;
        native = module.Native;
        Generation = module.Generation;
        var flags = CKF.CKF_SERIAL_SESSION | (readWrite ? CKF.CKF_RW_SESSION : 0);
        ulong handle = 0;
        Pkcs11Module.Check(module.Library.C_OpenSession(slotId, flags, IntPtr.Zero, IntPtr.Zero, ref handle), "C_OpenSession",
            "no session could be opened. The token may be gone, or its sessions used up (hsm.maxConcurrency).");
        Handle = handle;
    }

    internal ulong Handle { get; }

    internal long Generation { get; }

    /// <summary>True after an unexpected code: close it, do not use it again.</summary>
    internal bool IsBroken { get; private set; }

    internal void Close()
    {
        IsBroken = true;
        if (Generation == module.Generation && module.IsInitialized)
        {
            _ = module.Library.C_CloseSession(Handle); // nothing can be done about a failure
            WatchedWork.Beat();
        }
    }

    /// <summary>Logs the user in. USER_ALREADY_LOGGED_IN is success: the login belongs to the application, not to the session.</summary>
    internal ulong Login(ReadOnlySpan<byte> pin)
    {
        fixed (byte* start = pin)
        {
            var code = native.Login(Handle, (ulong)CKU.CKU_USER, start, (ulong)pin.Length);
            return code == (ulong)CKR.CKR_USER_ALREADY_LOGGED_IN ? ReturnCodes.Ok : code;
        }
    }

    internal void Random(Span<byte> destination)
    {
        fixed (byte* start = destination)
        {
            Check(native.GenerateRandom(Handle, start, (ulong)destination.Length), "C_GenerateRandom", "the token gave no random bytes.");
        }
    }

    /// <summary>AES-256-GCM under a key of the token: ciphertext and 16-byte tag into <paramref name="output"/>.</summary>
    internal void GcmEncrypt(
        KeyHandle key, ReadOnlySpan<byte> iv, ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> plaintext, Span<byte> output)
    {
        RequireIv(iv);
        if (output.Length < plaintext.Length + GcmTagLength)
        {
            throw new ArgumentException("Room for ciphertext and tag is needed.", nameof(output));
        }
        fixed (byte* ivStart = iv, aadStart = associatedData, input = Somewhere(plaintext), result = output)
        {
            var parameters = Gcm(ivStart, aadStart, associatedData.Length);
            var mechanism = GcmMechanism(&parameters);
            Check(native.EncryptInit(Handle, &mechanism, Use(key)), "C_EncryptInit", "the key could not be used for AES-GCM.");
            var length = (ulong)output.Length;
            Check(native.Encrypt(Handle, input, (ulong)plaintext.Length, result, &length), "C_Encrypt", "AES-GCM encryption failed.");
            if (length != (ulong)(plaintext.Length + GcmTagLength))
            {
                IsBroken = true;
                throw new HsmException(HsmFault.Unexpected, "C_Encrypt", 0, $"{length} bytes came back where {plaintext.Length + GcmTagLength} were due.");
            }
        }
    }

    /// <summary>
    /// AES-256-GCM decryption. Returns the code of C_Decrypt: OK, a damaged-input code, or an ambiguous one that the caller must get to the bottom of.
    /// <paramref name="output"/> must hold the whole ciphertext with its tag (SoftHSM asks for that much); the plaintext is its beginning.
    /// </summary>
    internal ulong GcmDecrypt(
        KeyHandle key, ReadOnlySpan<byte> iv, ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> ciphertextAndTag, Span<byte> output)
    {
        RequireIv(iv);
        if (ciphertextAndTag.Length < GcmTagLength || output.Length < ciphertextAndTag.Length)
        {
            throw new ArgumentException("Room for the whole ciphertext is needed, and a tag in it.", nameof(output));
        }
        fixed (byte* ivStart = iv, aadStart = associatedData, input = ciphertextAndTag, result = output)
        {
            var parameters = Gcm(ivStart, aadStart, associatedData.Length);
            var mechanism = GcmMechanism(&parameters);
            Check(native.DecryptInit(Handle, &mechanism, Use(key)), "C_DecryptInit", "the key could not be used for AES-GCM.");
            var length = (ulong)output.Length;
            var code = native.Decrypt(Handle, input, (ulong)ciphertextAndTag.Length, result, &length);
            if (code == ReturnCodes.Ok && length == (ulong)(ciphertextAndTag.Length - GcmTagLength))
            {
                return code;
            }
            CryptographicOperations.ZeroMemory(output);
            if (code == ReturnCodes.Ok)
            {
                IsBroken = true;
                throw new HsmException(HsmFault.Unexpected, "C_Decrypt", 0, $"{length} bytes came back where {ciphertextAndTag.Length - GcmTagLength} were due.");
            }
            if (ReturnCodes.IsAmbiguous(code) || !ReturnCodes.IsDamagedInput(code))
            {
                IsBroken = true;
            }
            return ReturnCodes.IsAmbiguous(code) || ReturnCodes.IsDamagedInput(code)
                ? code
                : throw Pkcs11Module.Failure(code, "C_Decrypt", "AES-GCM decryption failed.");
        }
    }

    /// <summary>C_SignInit and C_Sign with a mechanism without parameters: HMAC or ECDSA. Returns the length of the signature.</summary>
    internal int Sign(CKM mechanism, KeyHandle key, ReadOnlySpan<byte> data, Span<byte> signature)
    {
        fixed (byte* input = Somewhere(data), result = signature)
        {
            var type = new NativeCalls.Mechanism { Type = (ulong)mechanism };
            Check(native.SignInit(Handle, &type, Use(key)), "C_SignInit", $"the key could not be used for {mechanism}.");
            var length = (ulong)signature.Length;
            Check(native.Sign(Handle, input, (ulong)data.Length, result, &length), "C_Sign", $"{mechanism} failed.");
            return checked((int)length);
        }
    }

    /// <summary>What the module does with an empty IV. Only the guarantee probe asks, with a key made for it: SoftHSM encrypts, always the same way.</summary>
    internal ulong TryEmptyIv(KeyHandle throwawayKey)
    {
        var parameters = Gcm(null, null, 0);
        parameters.IvLength = 0;
        parameters.IvBits = 0;
        var mechanism = GcmMechanism(&parameters);
        var code = native.EncryptInit(Handle, &mechanism, Use(throwawayKey));
        if (code != ReturnCodes.Ok)
        {
            return code;
        }
        var block = stackalloc byte[64];
        ulong length = 64;
        IsBroken = true;
        return native.Encrypt(Handle, block, 16, block + 16, &length);
    }

    /// <summary>Whether the key may encrypt at all. Only the guarantee probe asks, in a session it throws away.</summary>
    internal CKR TryEncryptInit(KeyHandle key) => TryInit(native.EncryptInit, key);

    /// <summary>Whether the key may decrypt at all.</summary>
    internal CKR TryDecryptInit(KeyHandle key) => TryInit(native.DecryptInit, key);

    private CKR TryInit(delegate* unmanaged[Cdecl]<ulong, NativeCalls.Mechanism*, ulong, ulong> init, KeyHandle key)
    {
        var iv = stackalloc byte[GcmIvLength];
        var parameters = Gcm(iv, null, 0);
        var mechanism = GcmMechanism(&parameters);
        var code = init(Handle, &mechanism, Use(key));
        IsBroken |= code == ReturnCodes.Ok; // an operation is active now
        return (CKR)(uint)code;
    }

    private static NativeCalls.GcmParameters Gcm(byte* iv, byte* associatedData, int associatedDataLength) => new()
    {
        Iv = iv,
        IvLength = GcmIvLength,
        IvBits = GcmIvLength * 8,
        AssociatedData = associatedData,
        AssociatedDataLength = (ulong)associatedDataLength,
        TagBits = GcmTagLength * 8,
    };

    private static NativeCalls.Mechanism GcmMechanism(NativeCalls.GcmParameters* parameters) => new()
    {
        Type = (ulong)CKM.CKM_AES_GCM,
        Parameter = parameters,
        ParameterLength = (ulong)sizeof(NativeCalls.GcmParameters),
    };

    /// <summary>An empty span has no address, and SoftHSM refuses a null pointer even with length 0.</summary>
    private static ReadOnlySpan<byte> Somewhere(ReadOnlySpan<byte> data) => data.IsEmpty ? [0] : data;

    private static void RequireIv(ReadOnlySpan<byte> iv)
    {
        // SoftHSM takes an empty IV and then encrypts deterministically; any length but 12 bytes also leaves the counting rule of SP 800-38D.
        if (iv.Length != GcmIvLength)
        {
            throw new ArgumentException("An AES-GCM IV is exactly 12 bytes.", nameof(iv));
        }
    }

    /// <summary>The handle, if it belongs to this life of the module.</summary>
    private ulong Use(KeyHandle key)
    {
        if (key.Generation != Generation)
        {
            throw new HsmException(HsmFault.Unavailable,
                "A key handle of an earlier life of the module was about to be used; it may name another key by now. The call can be repeated.");
        }
        return key.Value;
    }

    private void Check(ulong code, string function, string explanation)
    {
        WatchedWork.Beat();
        if (code != ReturnCodes.Ok)
        {
            IsBroken = true;
            throw Pkcs11Module.Failure(code, function, explanation);
        }
    }

    internal void Check(CKR code, string function, string explanation) => Check((ulong)code, function, explanation);
}
