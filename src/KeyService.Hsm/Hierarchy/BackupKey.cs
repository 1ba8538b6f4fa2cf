using KeyService.Crypto;
using KeyService.Hsm.Pkcs11;
using KeyService.Hsm.Sessions;
using Net.Pkcs11Interop.Common;

namespace KeyService.Hsm.Hierarchy;

/// <summary>
/// Brings the backup key onto a token, wrap-only. It is the one key whose value exists outside: custodians hold it in shares, or, in the development
/// profile, a marked file. Its id is derived from its value, so that a share holder can tell which blobs it opens.
/// </summary>
internal static class BackupKey
{
    /// <summary>Its id, by its value.</summary>
    internal static byte[] IdOf(SecretBuffer value) => BackupKeyId.Of(value);

    internal static KeyHandle Import(HsmSession readWrite, SecretBuffer value)
    {
        var id = IdOf(value);
        var key = TemplateFallback.Make(reach =>
        {
            using var template = KeyTemplates.Backup(id, value.DangerousSpan, reach);
            return readWrite.CreateObject(template, "The backup key");
        });
        return Proven(readWrite, key, id);
    }

    /// <summary>The key as it is if it wraps only and is the one of that id; removed again otherwise.</summary>
    internal static KeyHandle Proven(HsmSession readWrite, KeyHandle key, ReadOnlySpan<byte> id)
    {
        try
        {
            KeyAttributes.RequireBackup(readWrite, key);
            return WrapsAs(readWrite, key, id)
                ? key
                : throw new HsmException(HsmFault.IntegrityFailure, "The token took a backup key that does not wrap as the one that was named. It was removed again.");
        }
        catch
        {
            readWrite.DestroyQuietly(key);
            throw;
        }
    }

    /// <summary>Whether what the token holds is the key of that id: it wraps a known key, and the id follows from what comes out.</summary>
    internal static bool WrapsAs(HsmSession session, KeyHandle key, ReadOnlySpan<byte> id)
    {
        using var template = KeyTemplates.Known(WrappedKeyKind.Kek, BackupKeyId.Pattern);
        var pattern = session.CreateObject(template, "The pattern that the backup key is checked with");
        try
        {
            return BackupKeyId.OfWrapped(session.Wrap(CKM.CKM_AES_KEY_WRAP, key, pattern, "the pattern")).AsSpan().SequenceEqual(id);
        }
        finally
        {
            session.DestroyQuietly(pattern);
        }
    }
}
