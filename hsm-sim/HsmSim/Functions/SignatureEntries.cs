using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using HsmSim.Proxy;

namespace HsmSim.Functions;

/// <summary>Signatures, and two operations in one call. How their parameters look: see <see cref="FunctionList"/>.</summary>
internal static unsafe class SignatureEntries
{
    internal static void Fill(Span<nint> entries)
    {
        entries[(int)Function.C_SignInit] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint>)&SignInit;
        entries[(int)Function.C_Sign] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint, nuint, nuint>)&Sign;
        entries[(int)Function.C_SignUpdate] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint>)&SignUpdate;
        entries[(int)Function.C_SignFinal] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint>)&SignFinal;
        entries[(int)Function.C_SignRecoverInit] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint>)&SignRecoverInit;
        entries[(int)Function.C_SignRecover] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint, nuint, nuint>)&SignRecover;
        entries[(int)Function.C_VerifyInit] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint>)&VerifyInit;
        entries[(int)Function.C_Verify] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint, nuint, nuint>)&Verify;
        entries[(int)Function.C_VerifyUpdate] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint>)&VerifyUpdate;
        entries[(int)Function.C_VerifyFinal] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint>)&VerifyFinal;
        entries[(int)Function.C_VerifyRecoverInit] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint>)&VerifyRecoverInit;
        entries[(int)Function.C_VerifyRecover] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint, nuint, nuint>)&VerifyRecover;
        entries[(int)Function.C_DigestEncryptUpdate] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint, nuint, nuint>)&DigestEncryptUpdate;
        entries[(int)Function.C_DecryptDigestUpdate] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint, nuint, nuint>)&DecryptDigestUpdate;
        entries[(int)Function.C_SignEncryptUpdate] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint, nuint, nuint>)&SignEncryptUpdate;
        entries[(int)Function.C_DecryptVerifyUpdate] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint, nuint, nuint>)&DecryptVerifyUpdate;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint SignInit(nuint session, nuint mechanism, nuint key) => Call.Run(Function.C_SignInit, session, mechanism, key);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint Sign(nuint session, nuint data, nuint length, nuint result, nuint resultLength) =>
        Call.Run(Function.C_Sign, session, data, length, result, resultLength);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint SignUpdate(nuint session, nuint data, nuint length) => Call.Run(Function.C_SignUpdate, session, data, length);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint SignFinal(nuint session, nuint result, nuint resultLength) =>
        Call.Run(Function.C_SignFinal, session, result, resultLength);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint SignRecoverInit(nuint session, nuint mechanism, nuint key) =>
        Call.Run(Function.C_SignRecoverInit, session, mechanism, key);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint SignRecover(nuint session, nuint data, nuint length, nuint result, nuint resultLength) =>
        Call.Run(Function.C_SignRecover, session, data, length, result, resultLength);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint VerifyInit(nuint session, nuint mechanism, nuint key) => Call.Run(Function.C_VerifyInit, session, mechanism, key);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint Verify(nuint session, nuint data, nuint length, nuint signature, nuint signatureLength) =>
        Call.Run(Function.C_Verify, session, data, length, signature, signatureLength);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint VerifyUpdate(nuint session, nuint data, nuint length) => Call.Run(Function.C_VerifyUpdate, session, data, length);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint VerifyFinal(nuint session, nuint signature, nuint signatureLength) =>
        Call.Run(Function.C_VerifyFinal, session, signature, signatureLength);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint VerifyRecoverInit(nuint session, nuint mechanism, nuint key) =>
        Call.Run(Function.C_VerifyRecoverInit, session, mechanism, key);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint VerifyRecover(nuint session, nuint signature, nuint signatureLength, nuint result, nuint resultLength) =>
        Call.Run(Function.C_VerifyRecover, session, signature, signatureLength, result, resultLength);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint DigestEncryptUpdate(nuint session, nuint data, nuint length, nuint result, nuint resultLength) =>
        Call.Run(Function.C_DigestEncryptUpdate, session, data, length, result, resultLength);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint DecryptDigestUpdate(nuint session, nuint data, nuint length, nuint result, nuint resultLength) =>
        Call.Run(Function.C_DecryptDigestUpdate, session, data, length, result, resultLength);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint SignEncryptUpdate(nuint session, nuint data, nuint length, nuint result, nuint resultLength) =>
        Call.Run(Function.C_SignEncryptUpdate, session, data, length, result, resultLength);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint DecryptVerifyUpdate(nuint session, nuint data, nuint length, nuint result, nuint resultLength) =>
        Call.Run(Function.C_DecryptVerifyUpdate, session, data, length, result, resultLength);
}
