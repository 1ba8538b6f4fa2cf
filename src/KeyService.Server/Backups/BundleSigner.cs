using KeyService.Hsm;

namespace KeyService.Server.Backups;

/// <summary>Who signs bundles: the installation's manifest key, in service the token's.</summary>
/// <param name="PublicKey">SubjectPublicKeyInfo of the P-256 key, 91 bytes.</param>
/// <param name="Sign">ECDSA of a digest of 32 bytes: r and s, 64 bytes.</param>
/// <param name="BackupKeyId">16 hexadecimal digits: which backup key new versions are wrapped for; null while the token has none.</param>
internal sealed record BundleSigner(
    Func<CancellationToken, ValueTask<byte[]>> PublicKey, Func<ReadOnlyMemory<byte>, CancellationToken, ValueTask<byte[]>> Sign, Func<string?> BackupKeyId)
{
    private const string Label = "manifest";

    public static BundleSigner Of(HsmToken token) => new(
        cancellationToken => token.GetSigningKeyAsync(Label, cancellationToken),
        (digest, cancellationToken) => token.SignAsync(Label, digest, cancellationToken),
        () => token.BackupKeyId);
}
