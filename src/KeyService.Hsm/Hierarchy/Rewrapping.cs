using KeyService.Hsm.Connection;
using KeyService.Hsm.Pkcs11;
using KeyService.Hsm.Sessions;
using Net.Pkcs11Interop.Common;

namespace KeyService.Hsm.Hierarchy;

/// <summary>
/// Brings keys that come in wrapped under this token's root. Each is extractable for one moment, until it is wrapped under the root, as a key that was just
/// made is; before that it proves that it is the one it is said to be.
/// </summary>
/// <param name="attachment">The token.</param>
/// <param name="session">Where the extractable keys live.</param>
/// <param name="tryUnwrap">Opens what is wrapped.</param>
/// <param name="opener">The key that it opens under, for messages.</param>
/// <param name="advice">What to do about something that does not open or is another key: a clause.</param>
internal sealed class Rewrapping(Attachment attachment, HsmSession session, TryUnwrap tryUnwrap, string opener, string advice)
{
    /// <summary>The blob of the key under the root.</summary>
    /// <exception cref="HsmException"><see cref="HsmFault.IntegrityFailure"/>: it does not open, or is another key.</exception>
    internal byte[] Rewrap(byte[] wrapped, WrappedKeyKind kind, string what, Func<KeyHandle, bool> isItself)
    {
        var extractable = Unwrap(wrapped, kind, what);
        byte[] rootBlob;
        try
        {
            // Before anything is wrapped for good: the extractable key opens its check value, or nothing is taken of it.
            if (!isItself(extractable))
            {
                throw attachment.IsWell()
                    ? new HsmException(HsmFault.IntegrityFailure, $"{what} opens to another key than its check value says. It is not to be trusted: {advice}.")
                    : new HsmException(HsmFault.Unavailable, "The device failed while a key that came in was checked.");
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
            var code = tryUnwrap(wrapped, template, out var handle);
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
                    $"{what} does not open under {opener}. It was damaged, or wrapped under another one: {advice}.");
            }
        }
    }
}

/// <summary>C_UnwrapKey with a mechanism and key that are settled.</summary>
internal delegate CKR TryUnwrap(byte[] wrapped, AttributeTemplate template, out KeyHandle key);
