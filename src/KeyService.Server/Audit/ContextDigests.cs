using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Server.Storage;

namespace KeyService.Server.Audit;

/// <summary>
/// Contexts as audit records name them: HMAC-SHA-256 of the encoded context under a key of the installation. A context holds numbers of
/// records and patients, of which there are few enough to try them all against a plain digest (docs/spec/context.md).
/// </summary>
internal sealed class ContextDigests : IDisposable
{
    private readonly SecretBuffer _key;

    private ContextDigests(SecretBuffer key) => _key = key;

    /// <param name="rows">Over the installation's integrity key, loaded.</param>
    /// <param name="installationId">16 bytes.</param>
    public static async Task<ContextDigests> DeriveAsync(RowAuthenticator rows, byte[] installationId, CancellationToken cancellationToken)
    {
        var derived = await rows.MacAsync(InstallationKeys.DerivationInput(InstallationKeys.ContextDigest, installationId), cancellationToken);
        try
        {
            return new ContextDigests(SecretBuffer.CopyOf(derived));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(derived);
        }
    }

    /// <summary>32 bytes.</summary>
    public byte[] Of(EncryptionContext context) => HMACSHA256.HashData(_key.DangerousSpan, context.Encoded);

    public void Dispose() => _key.Dispose();
}
