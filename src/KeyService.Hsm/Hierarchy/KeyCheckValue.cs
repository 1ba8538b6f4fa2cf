using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Hsm.Pkcs11;
using KeyService.Hsm.Sessions;
using Net.Pkcs11Interop.Common;

namespace KeyService.Hsm.Hierarchy;

/// <summary>
/// Proves that a loaded key is the one that a version id stands for. For a KEK: SHA-256(id) wrapped like a data key, random IV, purpose check value.
/// Never E_K(0): that block is GCM's hash key. For the integrity key: its MAC of a label no row begins with.
/// </summary>
internal static class KeyCheckValue
{
    internal static ReadOnlySpan<byte> IntegrityLabel => "keyservice/integrity-check/v1"u8;

    internal static byte[] Make(HsmSession session, KeyHandle kek, KeyVersionId id)
    {
        Span<byte> iv = stackalloc byte[HsmSession.GcmIvLength];
        Span<byte> ciphertextAndTag = stackalloc byte[SHA256.HashSizeInBytes + HsmSession.GcmTagLength];
        session.Random(iv);
        session.GcmEncrypt(kek, iv, AssociatedDataOf(id), Expected(id), ciphertextAndTag);
        var checkValue = new byte[WrappedDataKey.Length];
        WrappedDataKey.Write(checkValue, id, iv, ciphertextAndTag);
        return checkValue;
    }

    /// <summary>True when the key opens the check value and the right hash stands in it.</summary>
    internal static bool Matches(HsmSession session, KeyHandle kek, KeyVersionId id, ReadOnlySpan<byte> checkValue)
    {
        if (!WrappedDataKey.TryParse(checkValue, out var wrapped) || wrapped.VersionId != id)
        {
            return false;
        }
        Span<byte> output = stackalloc byte[WrappedDataKey.DataKeyLength + WrappedDataKey.TagLength];
        return session.GcmDecrypt(kek, wrapped.Iv, AssociatedDataOf(id), wrapped.CiphertextAndTag, output) == ReturnCodes.Ok
            && output[..WrappedDataKey.DataKeyLength].SequenceEqual(Expected(id));
    }

    internal static byte[] MakeIntegrity(HsmSession session, KeyHandle integrityKey)
    {
        var mac = new byte[SHA256.HashSizeInBytes];
        var length = session.Sign(CKM.CKM_SHA256_HMAC, integrityKey, IntegrityLabel, mac);
        return length == mac.Length ? mac : throw new HsmException(HsmFault.Unexpected, "C_Sign", 0, $"an HMAC-SHA-256 of {length} bytes came back.");
    }

    private static byte[] Expected(KeyVersionId id)
    {
        Span<byte> bytes = stackalloc byte[KeyVersionId.Length];
        id.WriteTo(bytes);
        return SHA256.HashData(bytes);
    }

    private static byte[] AssociatedDataOf(KeyVersionId id) =>
        AssociatedData.ToArray(AadPurpose.CheckValue, WrappedDataKey.Format, id, [], EncryptionContext.Empty);
}
