using System.Security.Cryptography;
using System.Text.Json.Nodes;
using KeyService.Crypto;
using KeyService.Crypto.Transfers;
using KeyService.Tests.Crypto;

namespace KeyService.Tests.Transfers;

/// <summary>docs/spec/key-transfer.md.</summary>
public sealed class KeyTransferVectorTests
{
    private const string File = "key-transfer.json";

    [Fact]
    public void Transfer_keys_parse_are_written_again_and_have_their_fingerprint()
    {
        foreach (JsonObject vector in Vectors.List(File, "transferKeys"))
        {
            Assert.True(TransferKey.TryParse(vector.Bytes("encoded"), out TransferKey? key), vector.Text("name"));
            Assert.Equal(vector.Bytes("encoded"), key!.ToArray());
            Assert.Equal((vector.Text("token"), vector.Text("fingerprint")), (key.TokenSerial, Convert.ToHexStringLower(key.Fingerprint)));
            Assert.Equal(vector.Bytes("encoded"), TransferKey.Create(key.TokenSerial, key.PublicKey.Span).ToArray());
        }
        Assert.All(Vectors.List(File, "notTransferKeys"), vector => Assert.False(TransferKey.TryParse(vector.Bytes("encoded"), out _), vector.Text("name")));
    }

    [Fact]
    public void Sealed_keys_parse_open_and_have_the_id_that_follows()
    {
        using RSA token = Token();
        foreach (JsonObject vector in Vectors.List(File, "sealedKeys"))
        {
            Assert.True(SealedBackupKey.TryParse(vector.Bytes("encoded"), out SealedBackupKey? key), vector.Text("name"));
            Assert.Equal(vector.Bytes("encoded"), key!.ToArray());
            Assert.Equal((vector.Text("token"), vector.Text("transferKey")), (key.TokenSerial, Convert.ToHexStringLower(key.TransferKeyFingerprint.Span)));
            byte[]? value = Opened(token, key);
            Assert.Equal((vector.Text("name"), vector["value"]?.GetValue<string>()), (vector.Text("name"), value is null ? null : Convert.ToHexStringLower(value)));
            Assert.Equal(vector["idFollows"]!.GetValue<bool>(), value is { Length: BackupKeyId.KeyLength } && IdOf(value).AsSpan().SequenceEqual(key.KeyId.Span));
        }
        Assert.All(Vectors.List(File, "notSealedKeys"), vector => Assert.False(SealedBackupKey.TryParse(vector.Bytes("encoded"), out _), vector.Text("name")));
    }

    [Fact]
    public void What_is_sealed_here_opens_with_the_private_half_and_names_key_and_token()
    {
        using RSA token = Token();
        using SecretBuffer value = SecretBuffer.CopyOf(Vectors.Load(File).Bytes("backupKey"));
        TransferKey transferKey = TransferKey.Create("A1B2", token.ExportSubjectPublicKeyInfo());
        SealedBackupKey sealedKey = SealedBackupKey.Seal(transferKey, value);
        Assert.Equal(value.DangerousSpan.ToArray(), Opened(token, sealedKey));
        Assert.Equal(BackupKeyId.Of(value), sealedKey.KeyId.ToArray());
        Assert.Equal(("A1B2", Convert.ToHexStringLower(transferKey.Fingerprint)), (sealedKey.TokenSerial, Convert.ToHexStringLower(sealedKey.TransferKeyFingerprint.Span)));
        Assert.True(SealedBackupKey.TryParse(sealedKey.ToArray(), out _));
        Assert.NotEqual(sealedKey.ToArray(), SealedBackupKey.Seal(transferKey, value).ToArray());
        Assert.Throws<ArgumentException>(() => TransferKey.Create("A B", token.ExportSubjectPublicKeyInfo()));
        Assert.Throws<ArgumentException>(() => TransferKey.Create("A", [1, 2, 3]));
    }

    private static RSA Token()
    {
        var rsa = RSA.Create();
        rsa.ImportPkcs8PrivateKey(Vectors.Load(File).Bytes("privateKey"), out _);
        return rsa;
    }

    private static byte[] IdOf(byte[] value)
    {
        using SecretBuffer key = SecretBuffer.CopyOf(value);
        return BackupKeyId.Of(key);
    }

    private static byte[]? Opened(RSA token, SealedBackupKey key)
    {
        try
        {
            return token.Decrypt(key.Wrapped.ToArray(), RSAEncryptionPadding.OaepSHA1);
        }
        catch (CryptographicException)
        {
            return null;
        }
    }
}
