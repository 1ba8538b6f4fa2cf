using System.Security.Cryptography;

namespace KeyService.Crypto.Archives;

/// <summary>
/// What Cobblestone-256 derives for one message: key (32), base nonce (12), commitment (32) =
/// HKDF-Expand-SHA-512(input key, "c2sp.org/chunked-encryption@v1+" || "AEAD_AES_256_GCM" || 0x00 || salt || context).
/// https://c2sp.org/chunked-encryption. No Extract step: the input key is uniformly random.
/// </summary>
internal sealed class MessageKeys : IDisposable
{
    public const int InputKeyLength = 32;
    private const int KeyLength = 32;
    private const int NonceLength = 12;
    private readonly SecretBuffer _derived = new(KeyLength + NonceLength + ArchiveFormat.CommitmentLength);

    private MessageKeys()
    {
    }

    public ReadOnlySpan<byte> Key => _derived.DangerousSpan[..KeyLength];

    public ReadOnlySpan<byte> BaseNonce => _derived.DangerousSpan.Slice(KeyLength, NonceLength);

    /// <summary>Public: it stands in the archive.</summary>
    public ReadOnlySpan<byte> Commitment => _derived.DangerousSpan[(KeyLength + NonceLength)..];

    private static ReadOnlySpan<byte> Label => "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0"u8;

    public static MessageKeys Derive(SecretBuffer inputKey, ReadOnlySpan<byte> salt, ReadOnlySpan<byte> context)
    {
        ArgumentNullException.ThrowIfNull(inputKey);
        if (inputKey.Length != InputKeyLength)
        {
            throw new ArgumentException("The data key of an archive has 32 bytes.", nameof(inputKey));
        }

        if (salt.Length != ArchiveFormat.SaltLength)
        {
            throw new ArgumentException("The salt has 24 bytes.", nameof(salt));
        }

        byte[] info = [.. Label, .. salt, .. context];
        var keys = new MessageKeys();
        HkdfSha512.Expand(inputKey.DangerousSpan, info, keys._derived.DangerousSpan);
        return keys;
    }

    /// <summary>Derives the keys of a message that begins with this salt and commitment, and proves that they are its own.</summary>
    /// <exception cref="ArchiveException">Truncated, VerificationFailed.</exception>
    public static MessageKeys Open(SecretBuffer inputKey, ReadOnlySpan<byte> prefix, ReadOnlySpan<byte> context)
    {
        if (prefix.Length < ArchiveFormat.PayloadPrefixLength)
        {
            throw ArchiveException.Truncated("its payload");
        }

        MessageKeys keys = Derive(inputKey, prefix[..ArchiveFormat.SaltLength], context);
        if (keys.Matches(prefix[ArchiveFormat.SaltLength..]))
        {
            return keys;
        }

        keys.Dispose();
        throw ArchiveException.VerificationFailed();
    }

    /// <summary>The same keys for another owner.</summary>
    public MessageKeys Copy()
    {
        var copy = new MessageKeys();
        _derived.DangerousSpan.CopyTo(copy._derived.DangerousSpan);
        return copy;
    }

    /// <summary>Whether this is the message that the commitment stands in. Checked before any chunk is opened.</summary>
    public bool Matches(ReadOnlySpan<byte> commitment) => CryptographicOperations.FixedTimeEquals(commitment, Commitment);

    public void Dispose() => _derived.Dispose();
}
