using System.Runtime.InteropServices;

namespace KeyService.Crypto;

/// <summary>
/// The few functions of OpenSSL's libcrypto (3.0 or later) that AES needs, and how others find theirs, resolved at run time: where they are missing, the BCL does the
/// work (<see cref="AesBackend"/>). The library is the one that .NET's own cryptography has loaded into the process.
/// EVP documentation: EVP_EncryptInit(3), EVP_CIPHER-AES(7).
/// </summary>
internal static unsafe class LibCrypto
{
    internal const int ControlGetTag = 0x10;
    internal const int ControlSetTag = 0x11;

    // The names an OpenSSL 3 has on Linux (with and without the development package) and on macOS.
    private static readonly string[] Names = ["libcrypto.so.3", "libcrypto.so", "libcrypto.3.dylib"];

    private static readonly nint Library = Load();

    internal static readonly delegate* unmanaged[Cdecl]<nint, byte*, byte*, nint> CipherFetch =
        (delegate* unmanaged[Cdecl]<nint, byte*, byte*, nint>)Export("EVP_CIPHER_fetch");

    internal static readonly delegate* unmanaged[Cdecl]<nint> ContextNew = (delegate* unmanaged[Cdecl]<nint>)Export("EVP_CIPHER_CTX_new");

    internal static readonly delegate* unmanaged[Cdecl]<nint, void> ContextFree =
        (delegate* unmanaged[Cdecl]<nint, void>)Export("EVP_CIPHER_CTX_free");

    internal static readonly delegate* unmanaged[Cdecl]<nint, int, int> SetPadding =
        (delegate* unmanaged[Cdecl]<nint, int, int>)Export("EVP_CIPHER_CTX_set_padding");

    internal static readonly delegate* unmanaged[Cdecl]<void> ClearErrors = (delegate* unmanaged[Cdecl]<void>)Export("ERR_clear_error");

    // Initialising with a key takes some 100 ns and a whole message far below 1 us: the switch of GC modes around the call would be a
    // tenth of that, so it is left out. Calls over more than ShortLength bytes of data go through the ordinary pair below, or a
    // collection would have to wait for them.
    internal const int ShortLength = 2048;

    internal static readonly delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, nint, nint, byte*, byte*, int> EncryptInit =
        (delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, nint, nint, byte*, byte*, int>)Export("EVP_EncryptInit_ex");

    internal static readonly delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, nint, nint, byte*, byte*, int> DecryptInit =
        (delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, nint, nint, byte*, byte*, int>)Export("EVP_DecryptInit_ex");

    internal static readonly delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, byte*, int*, byte*, int, int> EncryptUpdateShort =
        (delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, byte*, int*, byte*, int, int>)Export("EVP_EncryptUpdate");

    internal static readonly delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, byte*, int*, byte*, int, int> DecryptUpdateShort =
        (delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, byte*, int*, byte*, int, int>)Export("EVP_DecryptUpdate");

    internal static readonly delegate* unmanaged[Cdecl]<nint, byte*, int*, byte*, int, int> EncryptUpdateLong =
        (delegate* unmanaged[Cdecl]<nint, byte*, int*, byte*, int, int>)Export("EVP_EncryptUpdate");

    internal static readonly delegate* unmanaged[Cdecl]<nint, byte*, int*, byte*, int, int> DecryptUpdateLong =
        (delegate* unmanaged[Cdecl]<nint, byte*, int*, byte*, int, int>)Export("EVP_DecryptUpdate");

    internal static readonly delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, byte*, int*, int> EncryptFinal =
        (delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, byte*, int*, int>)Export("EVP_EncryptFinal_ex");

    internal static readonly delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, byte*, int*, int> DecryptFinal =
        (delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, byte*, int*, int>)Export("EVP_DecryptFinal_ex");

    internal static readonly delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, int, int, void*, int> Control =
        (delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, int, int, void*, int>)Export("EVP_CIPHER_CTX_ctrl");

    /// <summary>AES-256-GCM and AES-256-ECB, fetched once: fetching for every initialisation would cost a lock and a search. Zero if missing.</summary>
    internal static readonly nint Aes256Gcm = Fetch("AES-256-GCM\0"u8);

    internal static readonly nint Aes256Ecb = Fetch("AES-256-ECB\0"u8);

    /// <summary>Every function and both ciphers are there. EVP_CIPHER_fetch exists since 3.0, which says enough about the version.</summary>
    internal static bool IsComplete =>
        Aes256Gcm != 0 && Aes256Ecb != 0 && ContextNew != null && ContextFree != null && SetPadding != null && ClearErrors != null
        && EncryptInit != null && DecryptInit != null && EncryptUpdateLong != null && DecryptUpdateLong != null
        && EncryptFinal != null && DecryptFinal != null && Control != null;

    private static nint Load()
    {
        foreach (string name in Names)
        {
            if (NativeLibrary.TryLoad(name, out nint library))
            {
                return library;
            }
        }
        return 0;
    }

    internal static nint Export(string name) => Library != 0 && NativeLibrary.TryGetExport(Library, name, out nint address) ? address : 0;

    private static nint Fetch(ReadOnlySpan<byte> name)
    {
        if (CipherFetch == null)
        {
            return 0;
        }
        fixed (byte* pointer = name)
        {
            return CipherFetch(0, pointer, null);
        }
    }
}
