using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using HsmSim.Proxy;

namespace HsmSim.Functions;

/// <summary>Slots and tokens, and the module itself. How their parameters look: see <see cref="FunctionList"/>.</summary>
internal static unsafe class GeneralEntries
{
    internal static void Fill(Span<nint> entries)
    {
        entries[(int)Function.C_Initialize] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint>)&Initialize;
        entries[(int)Function.C_Finalize] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint>)&Finalize;
        entries[(int)Function.C_GetInfo] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint>)&GetInfo;
        entries[(int)Function.C_GetFunctionList] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint>)&GetFunctionList;
        entries[(int)Function.C_GetSlotList] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint>)&GetSlotList;
        entries[(int)Function.C_GetSlotInfo] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint>)&GetSlotInfo;
        entries[(int)Function.C_GetTokenInfo] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint>)&GetTokenInfo;
        entries[(int)Function.C_GetMechanismList] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint>)&GetMechanismList;
        entries[(int)Function.C_GetMechanismInfo] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint>)&GetMechanismInfo;
        entries[(int)Function.C_InitToken] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint, nuint>)&InitToken;
        entries[(int)Function.C_InitPIN] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint>)&InitPIN;
        entries[(int)Function.C_SetPIN] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint, nuint, nuint>)&SetPIN;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint Initialize(nuint arguments) => Call.Run(Function.C_Initialize, arguments);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint Finalize(nuint reserved) => Call.Run(Function.C_Finalize, reserved);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint GetInfo(nuint info) => Call.Run(Function.C_GetInfo, info);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint GetFunctionList(nuint list) => FunctionList.Give((nint)list);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint GetSlotList(nuint tokenPresent, nuint list, nuint count) =>
        Call.Run(Function.C_GetSlotList, tokenPresent, list, count);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint GetSlotInfo(nuint slot, nuint info) => Call.Run(Function.C_GetSlotInfo, slot, info);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint GetTokenInfo(nuint slot, nuint info) => Call.Run(Function.C_GetTokenInfo, slot, info);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint GetMechanismList(nuint slot, nuint list, nuint count) => Call.Run(Function.C_GetMechanismList, slot, list, count);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint GetMechanismInfo(nuint slot, nuint type, nuint info) => Call.Run(Function.C_GetMechanismInfo, slot, type, info);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint InitToken(nuint slot, nuint pin, nuint pinLength, nuint label) =>
        Call.Run(Function.C_InitToken, slot, pin, pinLength, label);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint InitPIN(nuint session, nuint pin, nuint pinLength) => Call.Run(Function.C_InitPIN, session, pin, pinLength);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint SetPIN(nuint session, nuint oldPin, nuint oldLength, nuint newPin, nuint newLength) =>
        Call.Run(Function.C_SetPIN, session, oldPin, oldLength, newPin, newLength);
}
