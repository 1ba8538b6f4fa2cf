using KeyService.Crypto;
using KeyService.Hsm.Connection;
using KeyService.Hsm.Pkcs11;
using KeyService.Hsm.Sessions;
using Net.Pkcs11Interop.Common;

namespace KeyService.Hsm.Hierarchy;

/// <summary>Takes in KEKs that a peer token sealed to this one's transfer key.</summary>
internal sealed class Admission
{
    private readonly Attachment attachment;
    private readonly HsmSession session;
    private readonly KeyHandle transferKey;
    private readonly byte[] modulus;
    private readonly Rewrapping rewrapping;

    /// <exception cref="HsmException"><see cref="HsmFault.HierarchyMissing"/>: no root, or no transfer key.</exception>
    internal Admission(Attachment attachment, HsmSession session)
    {
        this.attachment = attachment;
        this.session = session;
        _ = attachment.Keys.RequireRoot(); // before a key is extractable that nothing could be done with
        (var publicKey, transferKey) = TransferKeyStore.Require(attachment);
        modulus = TransferKeyStore.Modulus(session, publicKey);
        rewrapping = new Rewrapping(attachment, session, TryUnwrap, "this token's transfer key", "read the row again, or bring the key in from a backup");
    }

    /// <summary>The KEK's blob under the root. It is proven by its check value before and after, and nothing of it stays in the token.</summary>
    /// <exception cref="HsmException"><see cref="HsmFault.IntegrityFailure"/>: not sealed to this token, damaged, or not that version's.</exception>
    internal byte[] Admit(KeyVersionId id, byte[] sealedBlob, byte[] checkValue)
    {
        var what = $"The sealed KEK of key version {id}";
        var ciphertext = KeyBlob.ToSealed(sealedBlob, what);
        if (ciphertext.Length != modulus.Length || ciphertext.AsSpan().SequenceCompareTo(modulus) >= 0)
        {
            // RFC 8017, 7.1.2, steps 1b and 2b. What a module says of it differs: NSS blames the arguments.
            throw new HsmException(HsmFault.IntegrityFailure, $"{what} does not open under this token's transfer key: it was damaged, or sealed to another one.");
        }
        var rootBlob = rewrapping.Rewrap(
            ciphertext, WrappedKeyKind.Kek, what,
            extractable => KeyCheckValue.Matches(session, extractable, id, checkValue)
                || attachment.WithFreshSession(second => KeyCheckValue.Matches(second, extractable, id, checkValue)));
        // What a restart would load.
        attachment.Destroy([KeyFactory.LoadKek(attachment, session, id, rootBlob, checkValue)]);
        return rootBlob;
    }

    private CKR TryUnwrap(byte[] wrapped, AttributeTemplate template, out KeyHandle key) => session.TryUnwrapOaep(transferKey, wrapped, template, out key);
}
