using System.Formats.Asn1;
using System.Security.Cryptography;
using KeyService.Crypto.Backups;

namespace KeyService.Crypto.Logs;

/// <summary>ECDSA P-256 over SHA-256 of a note's text: DER of r and s, with the smaller of the two s, so that one signature has one form.</summary>
public static class EcdsaNoteSignature
{
    private const int NumberLength = 32;

    /// <summary>What the key signs, 32 bytes.</summary>
    public static byte[] Digest(string text) => SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(text));

    /// <summary>The line's signature out of what an HSM gives.</summary>
    /// <param name="signature">r and s, 64 bytes.</param>
    public static byte[] Of(ReadOnlySpan<byte> signature)
    {
        byte[] normal = BundleSignature.Normalise(signature);
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            writer.WriteIntegerUnsigned(Number(normal.AsSpan(0, NumberLength)));
            writer.WriteIntegerUnsigned(Number(normal.AsSpan(NumberLength)));
        }
        return writer.Encode();
    }

    /// <summary>A note with the signature of the key that <paramref name="signer"/> names.</summary>
    /// <param name="signature">r and s, 64 bytes, of <see cref="Digest"/>.</param>
    public static SignedNote Sign(string text, NoteVerifier signer, ReadOnlySpan<byte> signature) =>
        new(text, [new NoteSignature(signer.Name, signer.Id, Of(signature))]);

    internal static bool Verifies(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> text, ReadOnlySpan<byte> signature)
    {
        if (!TryRead(signature, out byte[] numbers))
        {
            return false;
        }
        try
        {
            using ECDsa key = ECDsa.Create();
            key.ImportSubjectPublicKeyInfo(publicKey, out _);
            return key.VerifyHash(SHA256.HashData(text), numbers, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    // r and s of the one form that Of writes.
    private static bool TryRead(ReadOnlySpan<byte> signature, out byte[] numbers)
    {
        numbers = new byte[2 * NumberLength];
        try
        {
            var reader = new AsnReader(signature.ToArray(), AsnEncodingRules.DER);
            AsnReader sequence = reader.ReadSequence();
            reader.ThrowIfNotEmpty();
            if (!sequence.ReadInteger().TryWriteBytes(numbers.AsSpan(0, NumberLength), out int r, isUnsigned: true, isBigEndian: true)
                || !sequence.ReadInteger().TryWriteBytes(numbers.AsSpan(NumberLength), out int s, isUnsigned: true, isBigEndian: true))
            {
                return false;
            }
            sequence.ThrowIfNotEmpty();
            Right(numbers.AsSpan(0, NumberLength), r);
            Right(numbers.AsSpan(NumberLength), s);
        }
        catch (Exception e) when (e is AsnContentException or OverflowException)
        {
            return false;
        }
        return BundleSignature.HasSmallS(numbers) && Of(numbers).AsSpan().SequenceEqual(signature);
    }

    private static void Right(Span<byte> number, int length)
    {
        byte[] digits = number[..length].ToArray();
        number.Clear();
        digits.CopyTo(number[(NumberLength - length)..]);
    }

    private static ReadOnlySpan<byte> Number(ReadOnlySpan<byte> digits)
    {
        int first = digits.IndexOfAnyExcept((byte)0);
        return first < 0 ? digits[^1..] : digits[first..];
    }
}
