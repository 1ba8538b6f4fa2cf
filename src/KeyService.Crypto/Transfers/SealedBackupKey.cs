using System.Security.Cryptography;
using System.Text;
using KeyService.Crypto.Approvals;
using KeyService.Crypto.Logs;

namespace KeyService.Crypto.Transfers;

/// <summary>
/// A backup key on its way into one token, encrypted to that token's transfer key: docs/spec/key-transfer.md. Anybody can seal a key to a public key, so
/// whoever imports one compares <see cref="KeyId"/> with the id that the ceremony's transcript names.
/// </summary>
public sealed class SealedBackupKey
{
    /// <summary>Bytes of the document at most.</summary>
    public const int MaxLength = 2048;

    private const string FirstLine = "keyservice/sealed-backup-key/v1";

    // RFC 8017, 7.1: with SHA-1, which is what the OAEP of SoftHSM knows. Its use there needs no collision resistance.
    private static readonly RSAEncryptionPadding Padding = RSAEncryptionPadding.OaepSHA1;
    private readonly byte[] _keyId;
    private readonly byte[] _transferKey;
    private readonly byte[] _wrapped;

    private SealedBackupKey(string tokenSerial, byte[] transferKey, byte[] keyId, byte[] wrapped)
    {
        TokenSerial = tokenSerial;
        _transferKey = transferKey;
        _keyId = keyId;
        _wrapped = wrapped;
    }

    /// <summary>The token that it is for.</summary>
    public string TokenSerial { get; }

    /// <summary>Fingerprint of the transfer key that it was sealed to, 32 bytes.</summary>
    public ReadOnlyMemory<byte> TransferKeyFingerprint => _transferKey;

    /// <summary>Which backup key it is, 8 bytes (<see cref="BackupKeyId"/>).</summary>
    public ReadOnlyMemory<byte> KeyId => _keyId;

    /// <summary>RSAES-OAEP of the 32 bytes, as long as the modulus.</summary>
    public ReadOnlyMemory<byte> Wrapped => _wrapped;

    /// <summary>Seals a backup key.</summary>
    /// <param name="value">32 bytes.</param>
    public static SealedBackupKey Seal(TransferKey transferKey, SecretBuffer value)
    {
        ArgumentNullException.ThrowIfNull(transferKey);
        byte[] id = BackupKeyId.Of(value);
        using RSA rsa = transferKey.ToRsa();
        var wrapped = new byte[rsa.KeySize / 8];
        if (!rsa.TryEncrypt(value.DangerousSpan, wrapped, Padding, out int written) || written != wrapped.Length)
        {
            throw new CryptographicException("RSAES-OAEP gave no ciphertext as long as its modulus.");
        }
        return new SealedBackupKey(transferKey.TokenSerial, transferKey.Fingerprint, id, wrapped);
    }

    /// <summary>The document's bytes.</summary>
    public byte[] ToArray() => Encoding.ASCII.GetBytes(
        $"{FirstLine}\ntoken {TokenSerial}\ntransfer-key {Convert.ToHexStringLower(_transferKey)}\nbackup-key {Convert.ToHexStringLower(_keyId)}\n"
        + $"wrapped {Convert.ToBase64String(_wrapped)}\n");

    /// <summary>False for every text that <see cref="ToArray"/> does not write.</summary>
    public static bool TryParse(ReadOnlySpan<byte> bytes, out SealedBackupKey? key)
    {
        key = DocumentLines.TryRead(bytes, MaxLength, out DocumentLines lines) && lines.Label(FirstLine)
            && lines.Text("token", out string serial) && TransferKey.IsSerial(serial)
            && lines.Hex("transfer-key", SHA256.HashSizeInBytes, out byte[] transferKey) && lines.Hex("backup-key", BackupKeyId.Length, out byte[] id)
            && lines.Text("wrapped", out string text) && StrictBase64.TryDecode(text, out byte[] wrapped) && wrapped.Length is >= 384 and <= 512
            && lines.AtEnd
            ? new SealedBackupKey(serial, transferKey, id, wrapped)
            : null;
        return key is not null;
    }
}
