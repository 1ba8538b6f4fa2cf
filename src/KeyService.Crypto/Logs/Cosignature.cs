using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace KeyService.Crypto.Logs;

/// <summary>
/// A witness's cosignature of a checkpoint (C2SP tlog-cosignature, cosignature/v1, Ed25519): at that second the largest tree that it had
/// seen of the log had this root. Eight bytes of Unix seconds, then the signature.
/// </summary>
public static class Cosignature
{
    /// <summary>Bytes of time and signature.</summary>
    public const int Length = 8 + Ed25519.SignatureLength;

    /// <param name="witness">The witness's own key, as others know it.</param>
    /// <param name="seed">The private key, 32 bytes.</param>
    /// <param name="unixSeconds">0 or more.</param>
    public static NoteSignature Sign(string text, NoteVerifier witness, ReadOnlySpan<byte> seed, long unixSeconds)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(unixSeconds);
        byte[] signature = new byte[Length];
        BinaryPrimitives.WriteInt64BigEndian(signature, unixSeconds);
        Ed25519.Sign(seed, Message(text, unixSeconds)).CopyTo(signature, 8);
        return new NoteSignature(witness.Name, witness.Id, signature);
    }

    /// <summary>Whether it is the witness's, and when it was made.</summary>
    internal static bool TryVerify(ReadOnlySpan<byte> publicKey, SignedNote note, NoteSignature signature, out long unixSeconds)
    {
        ReadOnlySpan<byte> bytes = signature.Signature.Span;
        unixSeconds = bytes.Length == Length ? BinaryPrimitives.ReadInt64BigEndian(bytes) : -1;
        return unixSeconds >= 0 && Ed25519.Verify(publicKey, Message(note.Text, unixSeconds), bytes[8..]);
    }

    /// <summary>When a cosignature that was verified says it was made.</summary>
    public static DateTimeOffset TimeOf(NoteSignature signature) =>
        DateTimeOffset.FromUnixTimeSeconds(Math.Min(BinaryPrimitives.ReadInt64BigEndian(signature.Signature.Span), DateTimeOffset.MaxValue.ToUnixTimeSeconds()));

    private static byte[] Message(string text, long unixSeconds) =>
        Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"cosignature/v1\ntime {unixSeconds}\n{text}"));
}
