using System.Buffers.Binary;
using System.Security.Cryptography;
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
    private const int IdLength = 8;

    /// <summary>Key data with a known value, wrapped to compare two holders of the backup key without showing it.</summary>
    private static ReadOnlySpan<byte> Pattern =>
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31];

    /// <summary>First 8 bytes of SHA-256("keyservice/backup-key-id/v1" | AES-KW(key, 00 01 … 1f)).</summary>
    internal static byte[] IdOf(SecretBuffer value) =>
        SHA256.HashData([.. "keyservice/backup-key-id/v1"u8, .. WrapPattern(value)])[..IdLength];

    internal static KeyHandle Import(HsmSession readWrite, SecretBuffer value)
    {
        var id = IdOf(value);
        var key = TemplateFallback.Make(reach =>
        {
            using var template = KeyTemplates.Backup(id, value.DangerousSpan, reach);
            return readWrite.CreateObject(template, "The backup key");
        });
        try
        {
            KeyAttributes.RequireBackup(readWrite, key);
            RequireSameValue(readWrite, key, value);
            return key;
        }
        catch
        {
            readWrite.DestroyQuietly(key);
            throw;
        }
    }

    /// <summary>The token wraps a known key, this process does the same in software: equal only if the token holds the value.</summary>
    private static void RequireSameValue(HsmSession session, KeyHandle key, SecretBuffer value)
    {
        using var template = KeyTemplates.Known(WrappedKeyKind.Kek, Pattern);
        var pattern = session.CreateObject(template, "The pattern that the backup key is checked with");
        try
        {
            if (!session.Wrap(CKM.CKM_AES_KEY_WRAP, key, pattern, "the pattern").AsSpan().SequenceEqual(WrapPattern(value)))
            {
                throw new HsmException(HsmFault.IntegrityFailure, "The token took the backup key but does not wrap as that key does. It was removed again.");
            }
        }
        finally
        {
            session.DestroyQuietly(pattern);
        }
    }

    private static byte[] WrapPattern(SecretBuffer value) => AesKeyWrap(value.DangerousSpan, Pattern);

    /// <summary>AES-KW as RFC 3394 section 2.2.1 writes it, index form, default initial value.</summary>
    internal static byte[] AesKeyWrap(ReadOnlySpan<byte> key, ReadOnlySpan<byte> keyData)
    {
        const ulong InitialValue = 0xA6A6A6A6A6A6A6A6;
        var count = keyData.Length / 8;
        var result = new byte[keyData.Length + 8];
        keyData.CopyTo(result.AsSpan(8));
        Span<byte> block = stackalloc byte[16];
        BinaryPrimitives.WriteUInt64BigEndian(block, InitialValue);
        using var aes = Aes.Create();
        aes.SetKey(key);
        for (var step = 1; step <= 6 * count; step++)
        {
            var register = result.AsSpan(8 * (((step - 1) % count) + 1), 8);
            register.CopyTo(block[8..]);
            aes.EncryptEcb(block, block, PaddingMode.None);
            block[8..].CopyTo(register);
            BinaryPrimitives.WriteUInt64BigEndian(block, BinaryPrimitives.ReadUInt64BigEndian(block) ^ (ulong)step);
        }
        block[..8].CopyTo(result);
        return result;
    }
}
