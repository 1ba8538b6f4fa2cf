using System.Numerics;
using System.Security.Cryptography;

namespace KeyService.Crypto.Backups;

/// <summary>
/// The signature of a bundle: ECDSA P-256 over SHA-256(label | digest), r and s of 32 bytes each with the smaller of the two s that are
/// valid, so that nobody can write the same signature in another way.
/// </summary>
internal static class BundleSignature
{
    /// <summary>DER of a P-256 SubjectPublicKeyInfo with an uncompressed point, up to the coordinates.</summary>
    private static ReadOnlySpan<byte> SigningKeyStart =>
        [0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04];

    /// <summary>Half of the group's order, rounded down.</summary>
    private static ReadOnlySpan<byte> HalfOrder =>
    [
        0x7F, 0xFF, 0xFF, 0xFF, 0x80, 0x00, 0x00, 0x00, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
        0xDE, 0x73, 0x7D, 0x56, 0xD3, 0x8B, 0xCF, 0x42, 0x79, 0xDC, 0xE5, 0x61, 0x7E, 0x31, 0x92, 0xA8,
    ];

    private static ReadOnlySpan<byte> Order =>
    [
        0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
        0xBC, 0xE6, 0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51,
    ];

    /// <summary>What the key signs: 32 bytes.</summary>
    internal static byte[] Signed(ReadOnlySpan<byte> digest) => SHA256.HashData([.. BundleFormat.SignatureLabel, .. digest]);

    internal static bool IsSigningKey(ReadOnlySpan<byte> key) => key.Length == BundleFormat.SigningKeyLength && key.StartsWith(SigningKeyStart);

    internal static bool HasSmallS(ReadOnlySpan<byte> signature) => signature[32..].SequenceCompareTo(HalfOrder) <= 0;

    /// <summary>The same signature with the smaller s.</summary>
    /// <param name="signature">64 bytes, as an HSM gives them.</param>
    internal static byte[] Normalise(ReadOnlySpan<byte> signature)
    {
        byte[] normal = signature.ToArray();
        if (!HasSmallS(signature))
        {
            BigInteger s = new BigInteger(Order, isUnsigned: true, isBigEndian: true) - new BigInteger(signature[32..], isUnsigned: true, isBigEndian: true);
            // A module that gives an s above the order gives no signature: left as it is, it does not verify.
            if (s.Sign > 0)
            {
                byte[] smaller = s.ToByteArray(isUnsigned: true, isBigEndian: true);
                normal.AsSpan(32).Clear();
                smaller.CopyTo(normal.AsSpan(64 - smaller.Length));
            }
        }
        return normal;
    }

    /// <summary>False for a wrong signature and for a key that is no point of the curve.</summary>
    internal static bool Verifies(ReadOnlySpan<byte> signingKey, ReadOnlySpan<byte> digest, ReadOnlySpan<byte> signature)
    {
        if (!IsSigningKey(signingKey) || !HasSmallS(signature))
        {
            return false;
        }
        try
        {
            using ECDsa key = ECDsa.Create();
            key.ImportSubjectPublicKeyInfo(signingKey, out _);
            return key.VerifyHash(Signed(digest), signature, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
        }
        catch (CryptographicException)
        {
            return false;
        }
    }
}
