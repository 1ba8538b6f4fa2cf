using KeyService.Crypto;
using KeyService.Crypto.Transfers;
using KeyService.Hsm.Connection;
using KeyService.Hsm.Pkcs11;
using KeyService.Hsm.Sessions;
using Net.Pkcs11Interop.Common;

namespace KeyService.Hsm.Hierarchy;

/// <summary>
/// Makes KEKs and the integrity key: extractable for one moment, wrapped under root and backup key and sealed to the peers, destroyed, and unwrapped again to
/// stay. What comes out is what a restart would load, so a wrap that cannot be read back is noticed before anything is encrypted under it.
/// </summary>
internal static class KeyFactory
{
    internal static MadeKey Create(Attachment attachment, HsmSession session, WrappedKeyKind kind, IReadOnlyList<TransferKey> peers, string what)
    {
        var (root, backup, backupKeyId) = attachment.Keys.Require();
        using var peerKeys = new PeerKeys(session, peers, what); // before there is anything to seal: a key that does not come in costs none
        using var template = KeyTemplates.Extractable(kind);
        var extractable = session.GenerateKey(
            kind == WrappedKeyKind.Integrity ? CKM.CKM_GENERIC_SECRET_KEY_GEN : CKM.CKM_AES_KEY_GEN, template, what);
        byte[] rootBlob;
        byte[] backupBlob;
        IReadOnlyList<SealedKek> sealedKeys;
        try
        {
            rootBlob = KeyBlob.FromWrapped(session.Wrap(CKM.CKM_AES_KEY_WRAP, root, extractable, what));
            backupBlob = KeyBlob.FromWrapped(session.Wrap(CKM.CKM_AES_KEY_WRAP, backup, extractable, what));
            sealedKeys = peerKeys.Seal(extractable);
        }
        catch
        {
            session.DestroyQuietly(extractable);
            throw;
        }
        session.Destroy(extractable); // loudly: an extractable key that stays is what must not happen
        return new MadeKey(rootBlob, backupBlob, sealedKeys, Unwrap(attachment, rootBlob, kind, what), backupKeyId);
    }

    /// <summary>Unwraps a blob to a protected session key of the keeper.</summary>
    internal static KeyHandle Unwrap(Attachment attachment, ReadOnlySpan<byte> rootBlob, WrappedKeyKind kind, string what)
    {
        var wrapped = KeyBlob.ToWrapped(rootBlob, what);
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return attachment.WithKeeper(keeper => UnwrapProtected(keeper, attachment.Keys.RequireRoot(), wrapped, kind, what));
            }
            catch (HsmException exception) when (ReturnCodes.IsAmbiguous(exception.ReturnCode) && attachment.IsWell())
            {
                // Once may have been a moment's loss of the token. Twice, with the same root unwrapping the canary after each: it is the blob.
                if (attempt > 1)
                {
                    throw new HsmException(HsmFault.IntegrityFailure, exception.Function, exception.ReturnCode,
                        $"{what} does not unwrap under this token's root key. It was damaged, or wrapped by another token.", exception);
                }
            }
        }
    }

    internal static KeyHandle LoadKek(Attachment attachment, HsmSession session, KeyVersionId id, byte[] rootBlob, byte[] checkValue)
    {
        var key = Unwrap(attachment, rootBlob, WrappedKeyKind.Kek, $"The KEK of key version {id}");
        try
        {
            RequireMatch(attachment, session, key, id, checkValue);
            return key;
        }
        catch
        {
            attachment.Destroy([key]);
            throw;
        }
    }

    internal static KeyHandle LoadIntegrityKey(Attachment attachment, HsmSession session, byte[] rootBlob, byte[]? checkValue)
    {
        var key = Unwrap(attachment, rootBlob, WrappedKeyKind.Integrity, "The integrity key");
        try
        {
            if (checkValue is not null && !KeyCheckValue.MakeIntegrity(session, key).AsSpan().SequenceEqual(checkValue))
            {
                throw new HsmException(HsmFault.IntegrityFailure,
                    "The stored blob of the integrity key unwraps to another key than its check value says. Restore the row from a backup.");
            }
            return key;
        }
        catch
        {
            attachment.Destroy([key]);
            throw;
        }
    }

    private static KeyHandle UnwrapProtected(HsmSession keeper, KeyHandle root, byte[] wrapped, WrappedKeyKind kind, string what)
    {
        using var template = KeyTemplates.Unwrapped(kind);
        var key = keeper.Unwrap(CKM.CKM_AES_KEY_WRAP, root, wrapped, template, what);
        try
        {
            KeyAttributes.RequireProtected(keeper, key, what);
            return key;
        }
        catch
        {
            keeper.DestroyQuietly(key);
            throw;
        }
    }

    /// <summary>Tries twice, in two sessions, and asks the canary: a device that fails is not a wrong blob.</summary>
    internal static void RequireMatch(Attachment attachment, HsmSession session, KeyHandle key, KeyVersionId id, byte[] checkValue)
    {
        if (KeyCheckValue.Matches(session, key, id, checkValue)
            || attachment.WithFreshSession(second => KeyCheckValue.Matches(second, key, id, checkValue)))
        {
            return;
        }
        if (!attachment.IsWell())
        {
            throw new HsmException(HsmFault.Unavailable, "The device failed while a KEK was checked.");
        }
        throw new HsmException(HsmFault.IntegrityFailure,
            $"The blob of key version {id} unwraps to another key than its check value says. Restore the row from a backup.");
    }
}

/// <summary>A key just made: its blobs, and the protected session key that was unwrapped from the first of them.</summary>
internal readonly record struct MadeKey(byte[] RootBlob, byte[] BackupBlob, IReadOnlyList<SealedKek> Sealed, KeyHandle Key, string BackupKeyId);
