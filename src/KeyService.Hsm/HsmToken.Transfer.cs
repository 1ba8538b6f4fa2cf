using KeyService.Crypto;
using KeyService.Crypto.Transfers;
using KeyService.Hsm.Connection;
using KeyService.Hsm.Hierarchy;

namespace KeyService.Hsm;

/// <summary>Keys that come in from outside, sealed to a key of this token.</summary>
public sealed partial class HsmToken
{
    /// <summary>The public half of this token's transfer key: RSA, 3,072 bits, whose private half only unwraps. Made if it is absent.</summary>
    public async ValueTask<TransferKey> GetTransferKeyAsync(CancellationToken cancellationToken = default)
    {
        var (key, created) = await connection.RunAsync(
            static (attachment, _, _) => (TransferKeyStore.FindOrCreate(attachment, out var isNew), isNew), 0, cancellationToken).ConfigureAwait(false);
        if (created)
        {
            events(new HsmEvent(HsmEventKind.KeyCreated, $"A transfer key was made on token '{Info.TokenLabel}'."));
        }
        return key;
    }

    /// <summary>
    /// Takes in a backup key that was sealed to this token's transfer key, wrap-only; its value is not in this process at any time. The token must not hold
    /// one yet.
    /// </summary>
    /// <param name="sealedKey">Its id is what the caller compared with the ceremony's transcript.</param>
    /// <param name="cancellationToken">Cancels waiting for a turn.</param>
    /// <exception cref="HsmException">It was sealed to another key, was changed, is another backup key than it says, or the token has one already.</exception>
    public async Task ImportBackupKeyAsync(SealedBackupKey sealedKey, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(sealedKey);
        await connection.RunAsync(
            (attachment, session, key) =>
            {
                Import(attachment, readWrite => BackupKey.Proven(readWrite, TransferKeyStore.Unwrap(attachment, readWrite, key), key.KeyId.Span));
                return Adopt(attachment, session);
            },
            sealedKey,
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Random bytes of the token's generator.</summary>
    /// <param name="length">1 to 1,024.</param>
    /// <param name="cancellationToken">Cancels waiting for a turn.</param>
    /// <returns>To be disposed of.</returns>
    public async ValueTask<SecretBuffer> GetRandomAsync(int length, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, 1024);
        return await connection.RunAsync(
            static (_, session, length) =>
            {
                var random = new SecretBuffer(length);
                try
                {
                    session.Random(random.DangerousSpan);
                    return random;
                }
                catch
                {
                    random.Dispose();
                    throw;
                }
            },
            length,
            cancellationToken).ConfigureAwait(false);
    }
}
