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
    private readonly Rewrapping rewrapping;

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
        rewrapping = new Rewrapping(attachment, session, TryUnwrap, "this backup key", "take another copy of the bundle");
    }

    /// <summary>The KEK of a version under the root, and loaded; proven by its check value before and after.</summary>
    /// <exception cref="HsmException"><see cref="HsmFault.IntegrityFailure"/>: not under this backup key, or not that version's.</exception>
    internal (byte[] RootBlob, KeyHandle Key) RestoreKek(KeyVersionId id, byte[] backupBlob, byte[] checkValue)
    {
        var what = $"The blob of key version {id} in the bundle";
        var rootBlob = rewrapping.Rewrap(
            KeyBlob.ToWrapped(backupBlob, what), WrappedKeyKind.Kek, what,
            extractable => KeyCheckValue.Matches(session, extractable, id, checkValue)
                || attachment.WithFreshSession(second => KeyCheckValue.Matches(second, extractable, id, checkValue)));
        return (rootBlob, KeyFactory.LoadKek(attachment, session, id, rootBlob, checkValue));
    }

    /// <summary>As <see cref="RestoreKek"/>, the integrity key.</summary>
    internal (byte[] RootBlob, KeyHandle Key) RestoreIntegrityKey(byte[] backupBlob, byte[] checkValue)
    {
        const string What = "The blob of the integrity key in the bundle";
        var rootBlob = rewrapping.Rewrap(
            KeyBlob.ToWrapped(backupBlob, What), WrappedKeyKind.Integrity, What,
            extractable => KeyCheckValue.MakeIntegrity(session, extractable).AsSpan().SequenceEqual(checkValue));
        return (rootBlob, KeyFactory.LoadIntegrityKey(attachment, session, rootBlob, checkValue));
    }

    public void Dispose() => session.DestroyQuietly(backup);

    private CKR TryUnwrap(byte[] wrapped, AttributeTemplate template, out KeyHandle key) =>
        session.TryUnwrap(CKM.CKM_AES_KEY_WRAP, backup, wrapped, template, out key);
}
