using System.Text;
using KeyService.Crypto.Approvals;
using KeyService.Crypto.Logs;

namespace KeyService.Crypto.Ceremonies;

/// <summary>A signature under a transcript that has ended.</summary>
/// <param name="IsHsm">True: by the token's key for transcripts. False: by somebody who took part.</param>
/// <param name="Signer">The token's serial number in small letters, or the person's name: [a-z0-9._-].</param>
/// <param name="PublicKey">SubjectPublicKeyInfo of P-256, 91 bytes. Whose it is, the verifier is told from elsewhere.</param>
/// <param name="Signature">r and s over SHA-256 of <see cref="Transcript.SignedText"/>, 64 bytes.</param>
public sealed record TranscriptSignature(bool IsHsm, string Signer, ReadOnlyMemory<byte> PublicKey, ReadOnlyMemory<byte> Signature)
{
    private const string Hsm = "hsm";
    private const string PersonWord = "person";

    /// <summary>Whether signer, key and signature keep their rules; not whether the signature verifies.</summary>
    public bool IsValid => ApprovalName.IsName(Signer) && OfficerSignature.IsPublicKey(PublicKey.Span) && Signature.Length == OfficerSignature.Length;

    /// <summary>In the order of which signatures stand: the HSM's, then those of people by their names.</summary>
    internal string Order => $"{(IsHsm ? 0 : 1)} {Signer}";

    internal string ToLine() =>
        $"{(IsHsm ? Hsm : PersonWord)} {Signer} {Convert.ToBase64String(PublicKey.Span)} {Convert.ToBase64String(Signature.Span)}";

    internal static TranscriptSignature? Read(string word, string rest) =>
        word is Hsm or PersonWord && rest.Split(' ') is [var signer, var key, var signature]
        && StrictBase64.TryDecode(key, out byte[] publicKey) && StrictBase64.TryDecode(signature, out byte[] bytes)
        && new TranscriptSignature(word == Hsm, signer, publicKey, bytes) is { IsValid: true } read
            ? read
            : null;
}
