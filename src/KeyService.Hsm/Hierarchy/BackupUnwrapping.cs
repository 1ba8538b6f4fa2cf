using KeyService.Crypto;
using KeyService.Hsm.Connection;
using KeyService.Hsm.Pkcs11;
using KeyService.Hsm.Sessions;
using Net.Pkcs11Interop.Common;

namespace KeyService.Hsm.Hierarchy;

/// <summary>
/// The backup key in the one role that the token's own never has: a session object that unwraps and does nothing else, not extractable, and gone when this is
/// disposed of. What it unwraps is extractable for one moment, until it is wrapped under the root, as a key that was just made is.
/// </summary>
internal sealed class BackupUnwrapping : IDisposable
{
    private readonly Attachment attachment;
    private readonly HsmSession session;
    private readonly KeyHandle backup;

    internal BackupUnwrapping(Attachment attachment, HsmSession session, SecretBuffer value)
    {
        this.attachment = attachment;
        this.session = session;
        using var template = KeyTemplates.Unwrapping(value.DangerousSpan);
        backup = session.CreateObject(template, "The backup key that is to unwrap");
        try
        {
            KeyAttributes.RequireProtected(session, backup, "The backup key that is to unwrap");
        }
        catch
        {
            session.DestroyQuietly(backup);
            throw;
        }
    }

    /// <summary>The KEK of a version under the root, and loaded; proven by its check value before and after.</summary>
    /// <exception cref="HsmException"><see cref="HsmFault.IntegrityFailure"/>: not under this backup key, or not that version's.</exception>
    internal (byte[] RootBlob, KeyHandle Key) RestoreKek(KeyVersionId id, byte[] backupBlob, byte[] checkValue)
    {
        var what = $"The blob of key version {id} in the bundle";
        var rootBlob = Rewrap(
            backupBlob, WrappedKeyKind.Kek, what,
            extractable => KeyCheckValue.Matches(session, extractable, id, checkValue)
                || attachment.WithFreshSession(second => KeyCheckValue.Matches(second, extractable, id, checkValue)));
        return (rootBlob, KeyFactory.LoadKek(attachment, session, id, rootBlob, checkValue));
    }

    /// <summary>As <see cref="RestoreKek"/>, the integrity key.</summary>
    internal (byte[] RootBlob, KeyHandle Key) RestoreIntegrityKey(byte[] backupBlob, byte[] checkValue)
    {
        var rootBlob = Rewrap(
            backupBlob, WrappedKeyKind.Integrity, "The blob of the integrity key in the bundle",
            extractable => KeyCheckValue.MakeIntegrity(session, extractable).AsSpan().SequenceEqual(checkValue));
        return (rootBlob, KeyFactory.LoadIntegrityKey(attachment, session, rootBlob, checkValue));
    }

    public void Dispose() => session.DestroyQuietly(backup);

    private byte[] Rewrap(byte[] backupBlob, WrappedKeyKind kind, string what, Func<KeyHandle, bool> isItself)
    {
        var extractable = Unwrap(KeyBlob.ToWrapped(backupBlob, what), kind, what);
        byte[] rootBlob;
        try
        {
            // Before anything is wrapped for good: the extractable key opens its check value, or nothing is taken of it.
            if (!isItself(extractable))
            {
                throw attachment.IsWell()
                    ? new HsmException(HsmFault.IntegrityFailure, $"{what} opens to another key than its check value says. The bundle is not to be trusted: take another copy of it.")
                    : new HsmException(HsmFault.Unavailable, "The device failed while a key of the bundle was checked.");
            }
            rootBlob = KeyBlob.FromWrapped(session.Wrap(CKM.CKM_AES_KEY_WRAP, attachment.Keys.RequireRoot(), extractable, what));
        }
        catch
        {
            session.DestroyQuietly(extractable);
            throw;
        }
        session.Destroy(extractable); // loudly: an extractable key that stays is what must not happen
        return rootBlob;
    }

    private KeyHandle Unwrap(byte[] wrapped, WrappedKeyKind kind, string what)
    {
        for (var attempt = 1; ; attempt++)
        {
            // Each attribute explicit; the same template as that of a key that was just made.
            using var template = KeyTemplates.Extractable(kind, withLength: false);
            var code = session.TryUnwrap(CKM.CKM_AES_KEY_WRAP, backup, wrapped, template, out var handle);
            if (code == CKR.CKR_OK)
            {
                return handle;
            }
            if (!ReturnCodes.IsDamagedInput((ulong)code) && !(ReturnCodes.IsAmbiguous((ulong)code) && attachment.IsWell()))
            {
                session.Check(code, "C_UnwrapKey", $"{what} could not be unwrapped.");
            }
            // A code that says nothing is asked for twice, with the canary singing after each: then it is the blob.
            if (ReturnCodes.IsDamagedInput((ulong)code) || attempt > 1)
            {
                throw new HsmException(HsmFault.IntegrityFailure, "C_UnwrapKey", (ulong)code,
                    $"{what} does not open under this backup key. It was damaged, or wrapped under another one: take another copy of the bundle.");
            }
        }
    }
}
