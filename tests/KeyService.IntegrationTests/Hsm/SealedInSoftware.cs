using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Crypto.Transfers;
using KeyService.Hsm;

namespace KeyService.IntegrationTests.Hsm;

/// <summary>What docs/spec/key-blob.md says of a sealed KEK, by the platform's RSA and AES: no token is asked.</summary>
internal static class SealedInSoftware
{
    /// <summary>A KEK of any value with its check value, sealed to a token.</summary>
    internal static PeerKek Seal(TransferKey transferKey, KeyVersionId id, byte[] value)
    {
        using var rsa = RSA.Create();
        rsa.ImportSubjectPublicKeyInfo(transferKey.PublicKey.Span, out _);
        using var gcm = new AesGcm(value, WrappedDataKey.TagLength);
        var iv = RandomNumberGenerator.GetBytes(WrappedDataKey.IvLength);
        var hash = Hash(id);
        var (ciphertext, tag) = (new byte[hash.Length], new byte[WrappedDataKey.TagLength]);
        gcm.Encrypt(iv, hash, ciphertext, tag, Aad(id));
        var checkValue = new byte[WrappedDataKey.Length];
        WrappedDataKey.Write(checkValue, id, iv, [.. ciphertext, .. tag]);
        return new PeerKek(id, (byte[])[0x02, .. rsa.Encrypt(value, RSAEncryptionPadding.OaepSHA1)], checkValue);
    }

    /// <summary>A random KEK.</summary>
    internal static PeerKek Seal(TransferKey transferKey) => Seal(transferKey, KeyVersionId.NewRandom(), RandomNumberGenerator.GetBytes(32));

    /// <summary>True when the private half opens the blob, and what is in it opens the check value.</summary>
    internal static bool Opens(RSA privateKey, byte[] blob, KeyVersionId id, byte[] checkValue)
    {
        Assert.Equal((0x02, 1 + (privateKey.KeySize / 8)), (blob[0], blob.Length));
        var value = privateKey.Decrypt(blob[1..], RSAEncryptionPadding.OaepSHA1);
        Assert.Equal(32, value.Length);
        Assert.True(WrappedDataKey.TryParse(checkValue, out var check));
        var hash = new byte[WrappedDataKey.DataKeyLength];
        using var gcm = new AesGcm(value, WrappedDataKey.TagLength);
        gcm.Decrypt(check.Iv, check.Ciphertext, check.Tag, hash, Aad(id));
        return hash.AsSpan().SequenceEqual(Hash(id));
    }

    private static byte[] Hash(KeyVersionId id)
    {
        var bytes = new byte[KeyVersionId.Length];
        id.WriteTo(bytes);
        return SHA256.HashData(bytes);
    }

    private static byte[] Aad(KeyVersionId id) => AssociatedData.ToArray(AadPurpose.CheckValue, WrappedDataKey.Format, id, [], EncryptionContext.Empty);
}
