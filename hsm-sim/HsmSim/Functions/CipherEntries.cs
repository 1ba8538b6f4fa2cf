using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using HsmSim.Proxy;

namespace HsmSim.Functions;

/// <summary>Encryption, decryption and digests. How their parameters look: see <see cref="FunctionList"/>.</summary>
internal static unsafe class CipherEntries
{
    internal static void Fill(Span<nint> entries)
    {
        entries[(int)Function.C_EncryptInit] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint>)&EncryptInit;
        entries[(int)Function.C_Encrypt] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint, nuint, nuint>)&Encrypt;
        entries[(int)Function.C_EncryptUpdate] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint, nuint, nuint>)&EncryptUpdate;
        entries[(int)Function.C_EncryptFinal] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint>)&EncryptFinal;
        entries[(int)Function.C_DecryptInit] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint>)&DecryptInit;
        entries[(int)Function.C_Decrypt] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint, nuint, nuint>)&Decrypt;
        entries[(int)Function.C_DecryptUpdate] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint, nuint, nuint>)&DecryptUpdate;
        entries[(int)Function.C_DecryptFinal] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint>)&DecryptFinal;
        entries[(int)Function.C_DigestInit] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint>)&DigestInit;
        entries[(int)Function.C_Digest] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint, nuint, nuint>)&Digest;
        entries[(int)Function.C_DigestUpdate] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint>)&DigestUpdate;
        entries[(int)Function.C_DigestKey] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint>)&DigestKey;
        entries[(int)Function.C_DigestFinal] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint>)&DigestFinal;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint EncryptInit(nuint session, nuint mechanism, nuint key) =>
        Call.Run(Function.C_EncryptInit, session, mechanism, key);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint Encrypt(nuint session, nuint data, nuint length, nuint result, nuint resultLength) =>
        Call.Run(Function.C_Encrypt, session, data, length, result, resultLength);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint EncryptUpdate(nuint session, nuint data, nuint length, nuint result, nuint resultLength) =>
        Call.Run(Function.C_EncryptUpdate, session, data, length, result, resultLength);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint EncryptFinal(nuint session, nuint result, nuint resultLength) =>
        Call.Run(Function.C_EncryptFinal, session, result, resultLength);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint DecryptInit(nuint session, nuint mechanism, nuint key) =>
        Call.Run(Function.C_DecryptInit, session, mechanism, key);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint Decrypt(nuint session, nuint data, nuint length, nuint result, nuint resultLength) =>
        Call.Run(Function.C_Decrypt, session, data, length, result, resultLength);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint DecryptUpdate(nuint session, nuint data, nuint length, nuint result, nuint resultLength) =>
        Call.Run(Function.C_DecryptUpdate, session, data, length, result, resultLength);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint DecryptFinal(nuint session, nuint result, nuint resultLength) =>
        Call.Run(Function.C_DecryptFinal, session, result, resultLength);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint DigestInit(nuint session, nuint mechanism) => Call.Run(Function.C_DigestInit, session, mechanism);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint Digest(nuint session, nuint data, nuint length, nuint result, nuint resultLength) =>
        Call.Run(Function.C_Digest, session, data, length, result, resultLength);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint DigestUpdate(nuint session, nuint data, nuint length) => Call.Run(Function.C_DigestUpdate, session, data, length);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint DigestKey(nuint session, nuint key) => Call.Run(Function.C_DigestKey, session, key);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint DigestFinal(nuint session, nuint result, nuint resultLength) =>
        Call.Run(Function.C_DigestFinal, session, result, resultLength);
}
