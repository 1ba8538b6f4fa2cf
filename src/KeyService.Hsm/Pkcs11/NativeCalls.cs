using System.Runtime.InteropServices;

namespace KeyService.Hsm.Pkcs11;

/// <summary>
/// The calls through which secrets pass, or that run thousands of times a second, straight from the module's function list.
/// Pkcs11Interop's signatures for them take byte[], so a PIN or a data key would have to leave locked memory for the managed heap (docs/adr/0030).
/// Every pointer is CK_RV (CK_ULONG = 64 bits on 64-bit Linux and macOS). Positions are those of CK_FUNCTION_LIST of PKCS#11 v2.40.
/// </summary>
internal sealed unsafe class NativeCalls
{
    private const int FirstPointerOffset = 8; // CK_VERSION is two bytes, then natural alignment

    internal readonly delegate* unmanaged[Cdecl]<InitializeArguments*, ulong> Initialize;
    internal readonly delegate* unmanaged[Cdecl]<ulong, byte*, ulong, byte*, ulong> InitToken;
    internal readonly delegate* unmanaged[Cdecl]<ulong, byte*, ulong, ulong> InitPin;
    internal readonly delegate* unmanaged[Cdecl]<ulong, ulong, byte*, ulong, ulong> Login;
    internal readonly delegate* unmanaged[Cdecl]<ulong, Mechanism*, ulong, ulong> EncryptInit;
    internal readonly delegate* unmanaged[Cdecl]<ulong, byte*, ulong, byte*, ulong*, ulong> Encrypt;
    internal readonly delegate* unmanaged[Cdecl]<ulong, Mechanism*, ulong, ulong> DecryptInit;
    internal readonly delegate* unmanaged[Cdecl]<ulong, byte*, ulong, byte*, ulong*, ulong> Decrypt;
    internal readonly delegate* unmanaged[Cdecl]<ulong, Mechanism*, ulong, ulong> SignInit;
    internal readonly delegate* unmanaged[Cdecl]<ulong, byte*, ulong, byte*, ulong*, ulong> Sign;
    internal readonly delegate* unmanaged[Cdecl]<ulong, byte*, ulong, ulong> GenerateRandom;

    internal NativeCalls(nint functionList)
    {
        var pointers = (void**)(functionList + FirstPointerOffset);
        Initialize = (delegate* unmanaged[Cdecl]<InitializeArguments*, ulong>)pointers[0];
        InitToken = (delegate* unmanaged[Cdecl]<ulong, byte*, ulong, byte*, ulong>)pointers[9];
        InitPin = (delegate* unmanaged[Cdecl]<ulong, byte*, ulong, ulong>)pointers[10];
        Login = (delegate* unmanaged[Cdecl]<ulong, ulong, byte*, ulong, ulong>)pointers[18];
        EncryptInit = (delegate* unmanaged[Cdecl]<ulong, Mechanism*, ulong, ulong>)pointers[29];
        Encrypt = (delegate* unmanaged[Cdecl]<ulong, byte*, ulong, byte*, ulong*, ulong>)pointers[30];
        DecryptInit = (delegate* unmanaged[Cdecl]<ulong, Mechanism*, ulong, ulong>)pointers[33];
        Decrypt = (delegate* unmanaged[Cdecl]<ulong, byte*, ulong, byte*, ulong*, ulong>)pointers[34];
        SignInit = (delegate* unmanaged[Cdecl]<ulong, Mechanism*, ulong, ulong>)pointers[42];
        Sign = (delegate* unmanaged[Cdecl]<ulong, byte*, ulong, byte*, ulong*, ulong>)pointers[43];
        GenerateRandom = (delegate* unmanaged[Cdecl]<ulong, byte*, ulong, ulong>)pointers[64];
    }

    /// <summary>CK_MECHANISM.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Mechanism
    {
        internal ulong Type;
        internal void* Parameter;
        internal ulong ParameterLength;
    }

    /// <summary>CK_GCM_PARAMS of v2.40 errata: 48 bytes, with ulIvBits.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct GcmParameters
    {
        internal byte* Iv;
        internal ulong IvLength;
        internal ulong IvBits;
        internal byte* AssociatedData;
        internal ulong AssociatedDataLength;
        internal ulong TagBits;
    }

    /// <summary>CK_C_INITIALIZE_ARGS as NSS extends it: LibraryParameters stands before pReserved. Other modules get Pkcs11Interop's.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct InitializeArguments
    {
        internal void* CreateMutex;
        internal void* DestroyMutex;
        internal void* LockMutex;
        internal void* UnlockMutex;
        internal ulong Flags;
        internal void* LibraryParameters;
        internal void* Reserved;
    }
}
