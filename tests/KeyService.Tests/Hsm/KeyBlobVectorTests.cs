using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Hsm;
using KeyService.Hsm.Hierarchy;
using KeyService.Tests.Crypto;

namespace KeyService.Tests.Hsm;

/// <summary>docs/spec/key-blob.md in software. The integration tests run the same vectors inside SoftHSM.</summary>
public sealed class KeyBlobVectorTests
{
    private const string File = "key-blob.json";

    [Fact]
    public void Blobs_check_values_and_ids_are_those_of_the_vectors()
    {
        foreach (var vector in Vectors.List(File, "positive"))
        {
            Assert.Equal(vector.Bytes("rootBlob"), KeyBlob.FromWrapped(AesKeyWrap.Wrap(vector.Bytes("rootKey"), vector.Bytes("kek"))));
            Assert.Equal(vector.Bytes("backupBlob"), KeyBlob.FromWrapped(AesKeyWrap.Wrap(vector.Bytes("backupKey"), vector.Bytes("kek"))));
            using var backup = SecretBuffer.CopyOf(vector.Bytes("backupKey"));
            Assert.Equal(vector.Text("backupKeyId"), Convert.ToHexStringLower(BackupKey.IdOf(backup)));
            Assert.Equal(vector.Bytes("integrityCheckValue"), HMACSHA256.HashData(vector.Bytes("integrityKey"), KeyCheckValue.IntegrityLabel));

            Assert.True(WrappedDataKey.TryParse(vector.Bytes("checkValue"), out var check));
            Assert.Equal(vector.Bytes("keyVersion"), vector.Bytes("checkValue")[1..9]);
            var aad = AssociatedData.ToArray(AadPurpose.CheckValue, WrappedDataKey.Format, check.VersionId, [], EncryptionContext.Empty);
            Assert.Equal(vector.Bytes("aad"), aad);
            var hash = new byte[32];
            using var gcm = new AesGcm(vector.Bytes("kek"), 16);
            gcm.Decrypt(check.Iv, check.Ciphertext, check.Tag, hash, aad);
            Assert.Equal(vector.Bytes("versionHash"), hash);
        }
    }

    [Fact]
    public void Malformed_blobs_are_refused_before_any_module_is_asked()
    {
        foreach (var vector in Vectors.List(File, "malformed"))
        {
            Assert.Equal(HsmFault.IntegrityFailure, Assert.Throws<HsmException>(() => KeyBlob.ToWrapped(vector.Bytes("blob"), "a key")).Fault);
        }
    }

    [Fact]
    public void Sealed_blobs_open_with_the_private_half_and_malformed_ones_are_refused_before_any_module_is_asked()
    {
        using var token = RSA.Create();
        token.ImportPkcs8PrivateKey(Vectors.Load(File).Bytes("privateKey"), out _);
        foreach (var vector in Vectors.List(File, "sealed"))
        {
            var ciphertext = KeyBlob.ToSealed(vector.Bytes("blob"), "A key");
            Assert.Equal(vector.Bytes("blob"), KeyBlob.FromSealed(ciphertext, ciphertext.Length));
            Assert.Equal((vector.Text("name"), vector["kek"]?.GetValue<string>()), (vector.Text("name"), Opened(token, ciphertext)));
            Assert.Throws<HsmException>(() => KeyBlob.ToWrapped(vector.Bytes("blob"), "a key"));
        }
        foreach (var vector in Vectors.List(File, "notSealed"))
        {
            Assert.Equal(HsmFault.IntegrityFailure, Assert.Throws<HsmException>(() => KeyBlob.ToSealed(vector.Bytes("blob"), "A key")).Fault);
        }
        Assert.Equal(HsmFault.Unexpected, Assert.Throws<HsmException>(() => KeyBlob.FromSealed(new byte[383], 384)).Fault);
    }

    private static string? Opened(RSA token, byte[] ciphertext)
    {
        try
        {
            return Convert.ToHexStringLower(token.Decrypt(ciphertext, RSAEncryptionPadding.OaepSHA1));
        }
        catch (CryptographicException)
        {
            return null;
        }
    }
}
