using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using HsmSim.Proxy;

namespace HsmSim.Functions;

/// <summary>Sessions, login and objects. How their parameters look: see <see cref="FunctionList"/>.</summary>
internal static unsafe class SessionEntries
{
    internal static void Fill(Span<nint> entries)
    {
        entries[(int)Function.C_OpenSession] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint, nuint, nuint>)&OpenSession;
        entries[(int)Function.C_CloseSession] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint>)&CloseSession;
        entries[(int)Function.C_CloseAllSessions] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint>)&CloseAllSessions;
        entries[(int)Function.C_GetSessionInfo] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint>)&GetSessionInfo;
        entries[(int)Function.C_GetOperationState] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint>)&GetOperationState;
        entries[(int)Function.C_SetOperationState] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint, nuint, nuint>)&SetOperationState;
        entries[(int)Function.C_Login] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint, nuint>)&Login;
        entries[(int)Function.C_Logout] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint>)&Logout;
        entries[(int)Function.C_CreateObject] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint, nuint>)&CreateObject;
        entries[(int)Function.C_CopyObject] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint, nuint, nuint>)&CopyObject;
        entries[(int)Function.C_DestroyObject] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint>)&DestroyObject;
        entries[(int)Function.C_GetObjectSize] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint>)&GetObjectSize;
        entries[(int)Function.C_GetAttributeValue] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint, nuint>)&GetAttributeValue;
        entries[(int)Function.C_SetAttributeValue] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint, nuint>)&SetAttributeValue;
        entries[(int)Function.C_FindObjectsInit] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint>)&FindObjectsInit;
        entries[(int)Function.C_FindObjects] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint, nuint>)&FindObjects;
        entries[(int)Function.C_FindObjectsFinal] = (nint)(delegate* unmanaged[Cdecl]<nuint, nuint>)&FindObjectsFinal;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint OpenSession(nuint slot, nuint flags, nuint application, nuint notify, nuint handle) =>
        Call.Run(Function.C_OpenSession, slot, flags, application, notify, handle);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint CloseSession(nuint session) => Call.Run(Function.C_CloseSession, session);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint CloseAllSessions(nuint slot) => Call.Run(Function.C_CloseAllSessions, slot);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint GetSessionInfo(nuint session, nuint info) => Call.Run(Function.C_GetSessionInfo, session, info);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint GetOperationState(nuint session, nuint state, nuint length) =>
        Call.Run(Function.C_GetOperationState, session, state, length);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint SetOperationState(nuint session, nuint state, nuint length, nuint encryptionKey, nuint authenticationKey) =>
        Call.Run(Function.C_SetOperationState, session, state, length, encryptionKey, authenticationKey);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint Login(nuint session, nuint user, nuint pin, nuint pinLength) =>
        Call.Run(Function.C_Login, session, user, pin, pinLength);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint Logout(nuint session) => Call.Run(Function.C_Logout, session);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint CreateObject(nuint session, nuint template, nuint count, nuint handle) =>
        Call.Run(Function.C_CreateObject, session, template, count, handle);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint CopyObject(nuint session, nuint key, nuint template, nuint count, nuint handle) =>
        Call.Run(Function.C_CopyObject, session, key, template, count, handle);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint DestroyObject(nuint session, nuint key) => Call.Run(Function.C_DestroyObject, session, key);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint GetObjectSize(nuint session, nuint key, nuint size) => Call.Run(Function.C_GetObjectSize, session, key, size);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint GetAttributeValue(nuint session, nuint key, nuint template, nuint count) =>
        Call.Run(Function.C_GetAttributeValue, session, key, template, count);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint SetAttributeValue(nuint session, nuint key, nuint template, nuint count) =>
        Call.Run(Function.C_SetAttributeValue, session, key, template, count);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint FindObjectsInit(nuint session, nuint template, nuint count) =>
        Call.Run(Function.C_FindObjectsInit, session, template, count);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint FindObjects(nuint session, nuint handles, nuint room, nuint count) =>
        Call.Run(Function.C_FindObjects, session, handles, room, count);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint FindObjectsFinal(nuint session) => Call.Run(Function.C_FindObjectsFinal, session);
}
