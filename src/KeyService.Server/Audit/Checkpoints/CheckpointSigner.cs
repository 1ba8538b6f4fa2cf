using KeyService.Hsm;

namespace KeyService.Server.Audit;

/// <summary>Who signs checkpoints: the installation's checkpoint key, in service the token's.</summary>
/// <param name="PublicKey">SubjectPublicKeyInfo of the P-256 key, 91 bytes.</param>
/// <param name="Sign">ECDSA of a digest of 32 bytes: r and s, 64 bytes.</param>
internal sealed record CheckpointSigner(
    Func<CancellationToken, ValueTask<byte[]>> PublicKey, Func<ReadOnlyMemory<byte>, CancellationToken, ValueTask<byte[]>> Sign)
{
    private const string Label = "checkpoint";

    public static CheckpointSigner Of(HsmToken token) => new(
        cancellationToken => token.GetSigningKeyAsync(Label, cancellationToken), (digest, cancellationToken) => token.SignAsync(Label, digest, cancellationToken));
}
