using System.Security.Cryptography;
using KeyService.Crypto.Backups;

namespace KeyService.Crypto.Approvals;

/// <summary>
/// ECDSA P-256 over SHA-256 of a text (FIPS 186-5): r and s of 32 bytes each, big-endian, with the smaller of the two s that are valid, so that one
/// signature has one form. Keys are SubjectPublicKeyInfo of P-256 with an uncompressed point, 91 bytes.
/// </summary>
public static class OfficerSignature
{
    /// <summary>Bytes of a signature.</summary>
    public const int Length = 64;

    /// <summary>Bytes of a public key.</summary>
    public const int PublicKeyLength = BundleFormat.SigningKeyLength;

    /// <summary>Whether the bytes are a public key: of this curve, uncompressed, and a point of it.</summary>
    public static bool IsPublicKey(ReadOnlySpan<byte> key)
    {
        if (!BundleSignature.IsSigningKey(key))
        {
            return false;
        }
        try
        {
            using ECDsa point = ECDsa.Create();
            point.ImportSubjectPublicKeyInfo(key, out int read);
            return read == key.Length;
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    /// <summary>The one form of a signature out of what a key or a card gives.</summary>
    /// <param name="signature">r and s, 64 bytes.</param>
    public static byte[] Normalise(ReadOnlySpan<byte> signature) => signature.Length == Length
        ? BundleSignature.Normalise(signature)
        : throw new ArgumentException("A signature on P-256 has 64 bytes.", nameof(signature));

    internal static bool Verifies(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> text, ReadOnlySpan<byte> signature)
    {
        if (signature.Length != Length || !BundleSignature.HasSmallS(signature))
        {
            return false;
        }
        try
        {
            using ECDsa key = ECDsa.Create();
            key.ImportSubjectPublicKeyInfo(publicKey, out _);
            return key.VerifyHash(SHA256.HashData(text), signature, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
        }
        catch (CryptographicException)
        {
            return false;
        }
    }
}
