using KeyService.Hsm;

namespace KeyService.Server.Audit;

/// <summary>One key that signs checkpoints.</summary>
/// <param name="PublicKey">SubjectPublicKeyInfo of the P-256 key, 91 bytes.</param>
/// <param name="Sign">ECDSA of a digest of 32 bytes: r and s, 64 bytes.</param>
internal sealed record CheckpointSigner(
    Func<CancellationToken, ValueTask<byte[]>> PublicKey, Func<ReadOnlyMemory<byte>, CancellationToken, ValueTask<byte[]>> Sign);

/// <summary>The installation's checkpoint keys by their numbers, in service the token's: 0 is the first, each succession uses the next.</summary>
internal sealed record CheckpointKeys(Func<int, CheckpointSigner> Number)
{
    private const string Label = "checkpoint";

    public static CheckpointKeys Of(HsmToken token) => new(number =>
    {
        var label = number == 0 ? Label : $"{Label}-{number + 1}";
        return new CheckpointSigner(
            cancellationToken => token.GetSigningKeyAsync(label, cancellationToken), (digest, cancellationToken) => token.SignAsync(label, digest, cancellationToken));
    });
}
