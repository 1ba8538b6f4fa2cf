using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using HsmSim.Proxy;

namespace HsmSim.Functions;

/// <summary>Keys and random numbers. How their parameters look: see <see cref="FunctionList"/>.</summary>
internal static unsafe class KeyEntries
{
    internal static void Fill(Span<nint> entries)
    {
        entries[(int)Function.C_GenerateKey] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint, nuint, nuint>)&GenerateKey;
        entries[(int)Function.C_GenerateKeyPair] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint, nuint, nuint, nuint, nuint, nuint>)&GenerateKeyPair;
        entries[(int)Function.C_WrapKey] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint, nuint, nuint, nuint>)&WrapKey;
        entries[(int)Function.C_UnwrapKey] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint, nuint, nuint, nuint, nuint, nuint>)&UnwrapKey;
        entries[(int)Function.C_DeriveKey] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint, nuint, nuint, nuint>)&DeriveKey;
        entries[(int)Function.C_SeedRandom] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint>)&SeedRandom;
        entries[(int)Function.C_GenerateRandom] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint>)&GenerateRandom;
        entries[(int)Function.C_GetFunctionStatus] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint>)&GetFunctionStatus;
        entries[(int)Function.C_CancelFunction] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint>)&CancelFunction;
        entries[(int)Function.C_WaitForSlotEvent] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint>)&WaitForSlotEvent;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint GenerateKey(nuint session, nuint mechanism, nuint template, nuint count, nuint handle) =>
        Call.Run(Function.C_GenerateKey, session, mechanism, template, count, handle);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint GenerateKeyPair(nuint session, nuint mechanism, nuint publicTemplate, nuint publicCount, nuint privateTemplate, nuint privateCount, nuint publicHandle, nuint privateHandle) =>
        Call.Run(Function.C_GenerateKeyPair, session, mechanism, publicTemplate, publicCount, privateTemplate, privateCount, publicHandle, privateHandle);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint WrapKey(nuint session, nuint mechanism, nuint wrappingKey, nuint key, nuint result, nuint resultLength) =>
        Call.Run(Function.C_WrapKey, session, mechanism, wrappingKey, key, result, resultLength);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint UnwrapKey(nuint session, nuint mechanism, nuint unwrappingKey, nuint data, nuint length, nuint template, nuint count, nuint handle) =>
        Call.Run(Function.C_UnwrapKey, session, mechanism, unwrappingKey, data, length, template, count, handle);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint DeriveKey(nuint session, nuint mechanism, nuint key, nuint template, nuint count, nuint handle) =>
        Call.Run(Function.C_DeriveKey, session, mechanism, key, template, count, handle);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint SeedRandom(nuint session, nuint seed, nuint length) => Call.Run(Function.C_SeedRandom, session, seed, length);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint GenerateRandom(nuint session, nuint result, nuint length) =>
        Call.Run(Function.C_GenerateRandom, session, result, length);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint GetFunctionStatus(nuint session) => Call.Run(Function.C_GetFunctionStatus, session);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint CancelFunction(nuint session) => Call.Run(Function.C_CancelFunction, session);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint WaitForSlotEvent(nuint flags, nuint slot, nuint reserved) =>
        Call.Run(Function.C_WaitForSlotEvent, flags, slot, reserved);
}
