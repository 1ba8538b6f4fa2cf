using System.Runtime.InteropServices;

namespace KeyService.Crypto;

/// <summary>Who computes AES. Both give the same bytes (a contract test holds them to it); EVP is three to nine times faster on short messages.</summary>
internal abstract class AesBackend
{
    /// <summary>The BCL's classes: everywhere.</summary>
    internal static AesBackend Bcl { get; } = new BclAes();

    /// <summary>libcrypto, or null where it is missing or gives a wrong answer.</summary>
    internal static AesBackend? Evp { get; } = CreateEvp();

    internal static AesBackend Default { get; } = Evp ?? Bcl;

    /// <summary>A GCM cipher without a key yet.</summary>
    internal abstract GcmEngine CreateGcm();

    /// <summary>The bare block cipher under a key of 32 bytes.</summary>
    internal abstract BlockEngine CreateBlock(ReadOnlySpan<byte> key);

    private static EvpAes? CreateEvp()
    {
        if (!LibCrypto.IsComplete || RuntimeInformation.ProcessArchitecture is Architecture.Wasm)
        {
            return null;
        }
        var evp = new EvpAes();
        return evp.AnswersAsKnown() ? evp : null;
    }

    private sealed class EvpAes : AesBackend
    {
        internal override GcmEngine CreateGcm() => new EvpGcmEngine();

        internal override BlockEngine CreateBlock(ReadOnlySpan<byte> key) => new EvpBlockEngine(key);
    }

    private sealed class BclAes : AesBackend
    {
        internal override GcmEngine CreateGcm() => new BclGcmEngine();

        internal override BlockEngine CreateBlock(ReadOnlySpan<byte> key) => new BclBlockEngine(key);
    }

    /// <summary>
    /// The first vector of C2SP XAES-256-GCM there, back, and with a wrong tag, on reused contexts: enough to refuse a library that
    /// handles reuse differently.
    /// </summary>
    internal bool AnswersAsKnown()
    {
        try
        {
            Span<byte> key = stackalloc byte[32];
            key.Fill(1);
            ReadOnlySpan<byte> plaintext = "XAES-256-GCM"u8;
            ReadOnlySpan<byte> nonce = "ABCDEFGHIJKLMNOPQRSTUVWX"u8;
            ReadOnlySpan<byte> expected =
            [
                0xce, 0x54, 0x6e, 0xf6, 0x3c, 0x9c, 0xc6, 0x07, 0x65, 0x92, 0x36, 0x09, 0xb3, 0x3a, 0x9a, 0x19, 0x74, 0xe9, 0x6e, 0x52,
                0xda, 0xf2, 0xfc, 0xf7, 0x07, 0x5e, 0x22, 0x71,
            ];
            using var cipher = new XAes256Gcm(key, this);
            Span<byte> body = stackalloc byte[expected.Length];
            Span<byte> opened = stackalloc byte[plaintext.Length];
            for (int round = 0; round < 2; round++)
            {
                cipher.Encrypt(nonce, plaintext, body[..12], body[12..], []);
                bool right = body.SequenceEqual(expected)
                    && cipher.Decrypt(nonce, body[..12], body[12..], opened, [])
                    && opened.SequenceEqual(plaintext);
                body[27] ^= 1;
                if (!right || cipher.Decrypt(nonce, body[..12], body[12..], opened, []))
                {
                    return false;
                }
            }
            return true;
        }
        catch (System.Security.Cryptography.CryptographicException)
        {
            return false;
        }
    }
}
