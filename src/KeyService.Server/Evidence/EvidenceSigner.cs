using KeyService.Crypto.Logs;
using KeyService.Hsm;

namespace KeyService.Server.Evidence;

/// <summary>Who signs evidence packs: a key of the token for this alone.</summary>
/// <param name="PublicKey">SubjectPublicKeyInfo of the P-256 key, 91 bytes.</param>
/// <param name="Sign">ECDSA of a digest of 32 bytes: r and s, 64 bytes.</param>
internal sealed record EvidenceSigner(
    Func<CancellationToken, ValueTask<byte[]>> PublicKey, Func<ReadOnlyMemory<byte>, CancellationToken, ValueTask<byte[]>> Sign)
{
    private const string Label = "evidence";

    public static EvidenceSigner Of(HsmToken token) => new(
        cancellationToken => token.GetSigningKeyAsync(Label, cancellationToken), (digest, cancellationToken) => token.SignAsync(Label, digest, cancellationToken));

    /// <summary>Name and public key: <c>keyservice/ID/evidence</c>.</summary>
    public async Task<NoteVerifier> VerifierAsync(byte[] installation, CancellationToken cancellationToken) =>
        NoteVerifier.Create($"{LogNames.Of(installation).Installation}/evidence", NoteAlgorithm.Ecdsa, await PublicKey(cancellationToken));
}
