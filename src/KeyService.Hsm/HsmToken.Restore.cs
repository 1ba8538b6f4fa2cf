using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Hsm.Connection;
using KeyService.Hsm.Hierarchy;
using KeyService.Hsm.Pkcs11;
using KeyService.Hsm.Sessions;

namespace KeyService.Hsm;

/// <summary>Keys of a backup bundle brought under this token's root: docs/spec/backup-bundle.md, ADR 0271.</summary>
public sealed partial class HsmToken
{
    /// <summary>Versions that one call restores at most.</summary>
    public const int MaxRestored = 256;

    /// <summary>Versions in one call into the token: about a dozen small calls each, well below what the watchdog allows on a slow device.</summary>
    private const int RestoredAtOnce = 16;

    /// <summary>
    /// Unwraps KEKs under the backup key, wraps each under this token's root, and proves what a restart would load: check value and bulk key. All of them,
    /// or none: when one fails nothing is returned, and nothing of the others stays loaded.
    /// </summary>
    /// <param name="backupKey">32 bytes. In the token it is a session object that unwraps only, destroyed before this returns.</param>
    /// <param name="backupKeyId">Which backup key the blobs name: another one is refused before the token sees it.</param>
    /// <param name="keks">1 to <see cref="MaxRestored"/>.</param>
    /// <param name="keepLoaded">Whether they are to be used at once; else the token forgets them again.</param>
    /// <param name="cancellationToken">Looked at between some.</param>
    /// <returns>Their blobs under the root, in the same order.</returns>
    /// <exception cref="HsmException"><see cref="HsmFault.IntegrityFailure"/> names the version that does not open;
    /// <see cref="HsmFault.HierarchyConflict"/>: another backup key; <see cref="HsmFault.HierarchyMissing"/>: no root.</exception>
    public async Task<IReadOnlyList<RestoredKek>> RestoreKeksAsync(
        SecretBuffer backupKey, string backupKeyId, IReadOnlyList<BackedUpKek> keks, bool keepLoaded = false, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(keks);
        ArgumentOutOfRangeException.ThrowIfZero(keks.Count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(keks.Count, MaxRestored);
        DemandBackupKey(backupKey, backupKeyId);
        var restored = new List<RestoredKek>(keks.Count);
        try
        {
            // Copies of what is read while a call may hang: the caller's buffers are good until its reader reads on.
            foreach (var chunk in keks.Select(each => each.Copy()).Chunk(RestoredAtOnce))
            {
                cancellationToken.ThrowIfCancellationRequested();
                restored.AddRange(await WithBackupKeyAsync(
                    backupKey,
                    static (attachment, session, opening, state) => state.token.Restore(attachment, session, opening, state.chunk, state.keepLoaded),
                    (token: this, chunk, keepLoaded),
                    cancellationToken).ConfigureAwait(false));
            }
            return restored;
        }
        catch when (keepLoaded)
        {
            foreach (var kek in restored)
            {
                await UnloadAsync(kek.Id, CancellationToken.None).ConfigureAwait(false);
            }
            throw;
        }
    }

    /// <summary>Brings the integrity key of a bundle under this token's root and compares its check value.</summary>
    /// <param name="backupKey">As for <see cref="RestoreKeksAsync"/>.</param>
    /// <param name="backupKeyId">As for <see cref="RestoreKeksAsync"/>.</param>
    /// <param name="backupBlob">41 bytes.</param>
    /// <param name="checkValue">32 bytes.</param>
    /// <param name="keepLoaded">Whether it is to be this token's integrity key from now on.</param>
    /// <param name="cancellationToken">Cancels waiting for a turn.</param>
    /// <returns>What to store.</returns>
    public async Task<NewIntegrityKey> RestoreIntegrityKeyAsync(
        SecretBuffer backupKey, string backupKeyId, ReadOnlyMemory<byte> backupBlob, ReadOnlyMemory<byte> checkValue, bool keepLoaded,
        CancellationToken cancellationToken = default)
    {
        DemandBackupKey(backupKey, backupKeyId);
        var (blob, check) = (backupBlob.ToArray(), checkValue.ToArray());
        var rootBlob = await WithBackupKeyAsync(
            backupKey,
            static (attachment, _, opening, state) =>
            {
                var (rootBlob, key) = opening.RestoreIntegrityKey(state.blob, state.check);
                if (state.keepLoaded)
                {
                    ReplaceIntegrityKey(attachment, key);
                }
                else
                {
                    attachment.Destroy([key]);
                }
                return rootBlob;
            },
            (blob, check, keepLoaded),
            cancellationToken).ConfigureAwait(false);
        if (keepLoaded)
        {
            integrityKey = new StoredIntegrityKey(rootBlob, check);
        }
        return new NewIntegrityKey(rootBlob, blob, check, TokenId, backupKeyId);
    }

    internal static void DemandBackupKey(SecretBuffer value, string backupKeyId)
    {
        var id = Convert.ToHexStringLower(Crypto.BackupKeyId.Of(value));
        if (id != backupKeyId)
        {
            throw new HsmException(HsmFault.HierarchyConflict,
                $"This is the backup key {id}, and what is to be restored was wrapped under {backupKeyId}. Nothing was imported: combine the shares of the right set.");
        }
    }

    private async Task<T> WithBackupKeyAsync<TState, T>(
        SecretBuffer backupKey, Func<Attachment, HsmSession, BackupUnwrapping, TState, T> operation, TState state, CancellationToken cancellationToken)
    {
        // A copy: the caller's may be gone when a call that hangs comes back.
        var own = SecretBuffer.CopyOf(backupKey.DangerousSpan);
        return await ZeroAfterAsync(
            connection.RunAsync(
                static (attachment, session, inner) =>
                {
                    using var opening = new BackupUnwrapping(attachment, session, inner.own);
                    return inner.operation(attachment, session, opening, inner.state);
                },
                (own, operation, state),
                cancellationToken),
            own.Dispose).ConfigureAwait(false);
    }

    private List<RestoredKek> Restore(Attachment attachment, HsmSession session, BackupUnwrapping opening, BackedUpKek[] chunk, bool keepLoaded)
    {
        var restored = new List<(RestoredKek Kek, KeyHandle Key, byte[] CheckValue)>(chunk.Length);
        try
        {
            foreach (var kek in chunk)
            {
                var checkValue = kek.CheckValue.ToArray();
                var (rootBlob, key) = opening.RestoreKek(kek.Id, kek.BackupBlob.ToArray(), checkValue);
                restored.Add((new RestoredKek(kek.Id, rootBlob), key, checkValue));
                RequireBulkKey(attachment, session, key, kek);
            }
            if (keepLoaded)
            {
                foreach (var (kek, key, checkValue) in restored)
                {
                    attachment.Destroy(keks.Add(kek.Id, kek.RootBlob, checkValue, key));
                }
                return restored.ConvertAll(each => each.Kek);
            }
        }
        catch
        {
            attachment.Destroy(restored.Select(each => each.Key));
            throw;
        }
        attachment.Destroy(restored.Select(each => each.Key));
        return restored.ConvertAll(each => each.Kek);
    }

    /// <summary>The version's canary: what it encrypted in service is under its bulk key, so that must open.</summary>
    private static void RequireBulkKey(Attachment attachment, HsmSession session, KeyHandle key, BackedUpKek kek)
    {
        if (kek.BulkKey.IsEmpty)
        {
            return;
        }
        if (OpensBulkKey(session, key, kek) || attachment.WithFreshSession(second => OpensBulkKey(second, key, kek)))
        {
            return;
        }
        throw attachment.IsWell()
            ? new HsmException(HsmFault.IntegrityFailure,
                $"The bulk key of key version {kek.Id} in the bundle does not open under that version's KEK. The bundle is not to be trusted: take another copy of it.")
            : new HsmException(HsmFault.Unavailable, "The device failed while a bulk key of the bundle was opened.");
    }

    private static bool OpensBulkKey(HsmSession session, KeyHandle key, BackedUpKek kek)
    {
        if (!WrappedDataKey.TryParse(kek.BulkKey.Span, out var wrapped) || wrapped.VersionId != kek.Id)
        {
            return false;
        }
        Span<byte> output = stackalloc byte[WrappedDataKey.DataKeyLength + WrappedDataKey.TagLength];
        try
        {
            var aad = AssociatedData.ToArray(AadPurpose.BulkKey, WrappedDataKey.Format, kek.Id, default, EncryptionContext.Empty);
            return session.GcmDecrypt(key, wrapped.Iv, aad, wrapped.CiphertextAndTag, output) == ReturnCodes.Ok;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(output);
        }
    }
}

/// <summary>A KEK as a bundle holds it.</summary>
/// <param name="Id">The key version.</param>
/// <param name="BackupBlob">41 bytes, under the backup key.</param>
/// <param name="CheckValue">69 bytes.</param>
/// <param name="BulkKey">69 bytes, wrapped under the KEK: it is opened too, as proof. Empty: there is none to try.</param>
public readonly record struct BackedUpKek(
    KeyVersionId Id, ReadOnlyMemory<byte> BackupBlob, ReadOnlyMemory<byte> CheckValue, ReadOnlyMemory<byte> BulkKey = default)
{
    internal BackedUpKek Copy() => new(Id, BackupBlob.ToArray(), CheckValue.ToArray(), BulkKey.ToArray());
}

/// <summary>A KEK that stands under a token's root now.</summary>
/// <param name="Id">The key version.</param>
/// <param name="RootBlob">41 bytes.</param>
public readonly record struct RestoredKek(KeyVersionId Id, byte[] RootBlob);
