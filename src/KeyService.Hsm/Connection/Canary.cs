using System.Security.Cryptography;
using KeyService.Hsm.Hierarchy;
using KeyService.Hsm.Pkcs11;
using KeyService.Hsm.Sessions;
using Net.Pkcs11Interop.Common;

namespace KeyService.Hsm.Connection;

/// <summary>
/// A key wrapped under the root and 32 bytes encrypted under that key, both made when the token was opened. Unwrapping and decrypting them shows that the
/// root token key still works, and is still the same one: random numbers, session info and session keys go on working on a SoftHSM whose token
/// directory is gone.
/// </summary>
internal sealed class Canary
{
    private readonly byte[] wrappedKey;
    private readonly byte[] iv = new byte[HsmSession.GcmIvLength];
    private readonly byte[] song = new byte[32];
    private readonly byte[] ciphertextAndTag = new byte[32 + HsmSession.GcmTagLength];

    private Canary(HsmSession session, KeyHandle key, KeyHandle root)
    {
        wrappedKey = session.Wrap(CKM.CKM_AES_KEY_WRAP, root, key, "the canary key");
        session.Random(iv);
        session.Random(song);
        session.GcmEncrypt(key, iv, [], song, ciphertextAndTag);
    }

    internal static Canary Make(HsmSession session, KeyHandle root)
    {
        using var template = KeyTemplates.Extractable(WrappedKeyKind.Kek);
        var key = session.GenerateKey(CKM.CKM_AES_KEY_GEN, template, "the canary key");
        try
        {
            return new Canary(session, key, root);
        }
        finally
        {
            session.DestroyQuietly(key);
        }
    }

    /// <summary>Returns when the canary sings; throws what is wrong otherwise. The session is the caller's to discard when it is broken.</summary>
    internal void Check(HsmSession session, KeyHandle root)
    {
        using var template = KeyTemplates.Unwrapped(WrappedKeyKind.Kek);
        var key = session.Unwrap(CKM.CKM_AES_KEY_WRAP, root, wrappedKey, template, "The canary key");
        try
        {
            Span<byte> output = stackalloc byte[ciphertextAndTag.Length];
            var code = session.GcmDecrypt(key, iv, [], ciphertextAndTag, output);
            if (code != ReturnCodes.Ok || !CryptographicOperations.FixedTimeEquals(output[..song.Length], song))
            {
                throw new HsmException(HsmFault.Unavailable, "C_Decrypt", code, "the canary does not come back as it was: the device is broken or not the same.");
            }
        }
        finally
        {
            session.DestroyQuietly(key);
        }
    }
}
