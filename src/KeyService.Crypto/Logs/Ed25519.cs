using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace KeyService.Crypto.Logs;

/// <summary>
/// Ed25519 (RFC 8032) through OpenSSL's libcrypto, since the base class library has none. Reference: EVP_PKEY-ED25519(7),
/// EVP_DigestSign(3). A private key is a seed of 32 bytes; public keys 32, signatures 64.
/// </summary>
public static unsafe class Ed25519
{
    /// <summary>Bytes of a private key's seed and of a public key.</summary>
    public const int KeyLength = 32;

    /// <summary>Bytes of a signature.</summary>
    public const int SignatureLength = 64;

    private const int Type = 1087;

    private static readonly delegate* unmanaged[Cdecl]<int, nint, byte*, nuint, nint> NewPrivate =
        (delegate* unmanaged[Cdecl]<int, nint, byte*, nuint, nint>)LibCrypto.Export("EVP_PKEY_new_raw_private_key");

    private static readonly delegate* unmanaged[Cdecl]<int, nint, byte*, nuint, nint> NewPublic =
        (delegate* unmanaged[Cdecl]<int, nint, byte*, nuint, nint>)LibCrypto.Export("EVP_PKEY_new_raw_public_key");

    private static readonly delegate* unmanaged[Cdecl]<nint, byte*, nuint*, int> GetPublic =
        (delegate* unmanaged[Cdecl]<nint, byte*, nuint*, int>)LibCrypto.Export("EVP_PKEY_get_raw_public_key");

    private static readonly delegate* unmanaged[Cdecl]<nint, void> FreeKey = (delegate* unmanaged[Cdecl]<nint, void>)LibCrypto.Export("EVP_PKEY_free");

    private static readonly delegate* unmanaged[Cdecl]<nint> NewContext = (delegate* unmanaged[Cdecl]<nint>)LibCrypto.Export("EVP_MD_CTX_new");

    private static readonly delegate* unmanaged[Cdecl]<nint, void> FreeContext = (delegate* unmanaged[Cdecl]<nint, void>)LibCrypto.Export("EVP_MD_CTX_free");

    private static readonly delegate* unmanaged[Cdecl]<nint, nint, nint, nint, nint, int> SignInit =
        (delegate* unmanaged[Cdecl]<nint, nint, nint, nint, nint, int>)LibCrypto.Export("EVP_DigestSignInit");

    private static readonly delegate* unmanaged[Cdecl]<nint, byte*, nuint*, byte*, nuint, int> SignOnce =
        (delegate* unmanaged[Cdecl]<nint, byte*, nuint*, byte*, nuint, int>)LibCrypto.Export("EVP_DigestSign");

    private static readonly delegate* unmanaged[Cdecl]<nint, nint, nint, nint, nint, int> VerifyInit =
        (delegate* unmanaged[Cdecl]<nint, nint, nint, nint, nint, int>)LibCrypto.Export("EVP_DigestVerifyInit");

    private static readonly delegate* unmanaged[Cdecl]<nint, byte*, nuint, byte*, nuint, int> VerifyOnce =
        (delegate* unmanaged[Cdecl]<nint, byte*, nuint, byte*, nuint, int>)LibCrypto.Export("EVP_DigestVerify");

    /// <summary>The public key of a seed.</summary>
    /// <exception cref="CryptographicException">libcrypto is missing or too old.</exception>
    public static byte[] PublicKey(ReadOnlySpan<byte> seed)
    {
        Demand(seed);
        byte[] result = new byte[KeyLength];
        fixed (byte* bytes = seed)
        fixed (byte* output = result)
        {
            nint key = NewPrivate(Type, 0, bytes, (nuint)seed.Length);
            nuint length = KeyLength;
            bool done = key != 0 && GetPublic(key, output, &length) == 1;
            FreeKey(key);
            return done ? result : throw Failed();
        }
    }

    /// <summary>The signature of a message, 64 bytes, the same each time.</summary>
    /// <exception cref="CryptographicException">libcrypto is missing or too old.</exception>
    public static byte[] Sign(ReadOnlySpan<byte> seed, ReadOnlySpan<byte> message)
    {
        Demand(seed);
        byte[] signature = new byte[SignatureLength];
        fixed (byte* bytes = seed)
        fixed (byte* output = signature)
        fixed (byte* text = &MemoryMarshal.GetReference(message))
        {
            nint key = NewPrivate(Type, 0, bytes, (nuint)seed.Length);
            nint context = NewContext();
            nuint length = SignatureLength;
            bool done = key != 0 && context != 0 && SignInit(context, 0, 0, 0, key) == 1
                && SignOnce(context, output, &length, text, (nuint)message.Length) == 1 && length == SignatureLength;
            FreeContext(context);
            FreeKey(key);
            return done ? signature : throw Failed();
        }
    }

    /// <summary>False for a wrong signature, a key that is no point, and any wrong length.</summary>
    /// <exception cref="CryptographicException">libcrypto is missing or too old.</exception>
    public static bool Verify(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature)
    {
        if (publicKey.Length != KeyLength || signature.Length != SignatureLength)
        {
            return false;
        }
        Demand(publicKey);
        fixed (byte* bytes = publicKey)
        fixed (byte* given = signature)
        fixed (byte* text = &MemoryMarshal.GetReference(message))
        {
            nint key = NewPublic(Type, 0, bytes, (nuint)publicKey.Length);
            nint context = NewContext();
            bool valid = key != 0 && context != 0 && VerifyInit(context, 0, 0, 0, key) == 1
                && VerifyOnce(context, given, (nuint)signature.Length, text, (nuint)message.Length) == 1;
            FreeContext(context);
            FreeKey(key);
            // Nobody after this call on the same thread shall find its error.
            LibCrypto.ClearErrors();
            return valid;
        }
    }

    private static void Demand(ReadOnlySpan<byte> key)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(key.Length, KeyLength);
        if (NewPrivate == null || NewPublic == null || GetPublic == null || FreeKey == null || NewContext == null || FreeContext == null
            || SignInit == null || SignOnce == null || VerifyInit == null || VerifyOnce == null || LibCrypto.ClearErrors == null)
        {
            throw Failed();
        }
    }

    private static CryptographicException Failed() => new("Ed25519 needs OpenSSL's libcrypto 3.0 or later, and it is not there or failed.");
}
