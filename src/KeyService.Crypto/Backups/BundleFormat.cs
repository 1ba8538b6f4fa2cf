namespace KeyService.Crypto.Backups;

/// <summary>
/// Sizes and fixed bytes of a backup bundle, docs/spec/backup-bundle.md. All integers are big-endian.
/// <code>header 97 | (type 1 | length 2 | body)… | trailer: type 0xff | length 2 | counts 24 | signing key 91 | signature 64</code>
/// </summary>
public static class BundleFormat
{
    /// <summary>Suffix of a bundle's file.</summary>
    public const string FileSuffix = ".ksb";

    /// <summary>Bytes of the installation's id and of a bundle's.</summary>
    public const int IdLength = 16;

    /// <summary>Bytes of the backup key's id.</summary>
    public const int BackupKeyIdLength = 8;

    /// <summary>Bytes of a bundle's digest, SHA-256.</summary>
    public const int DigestLength = 32;

    /// <summary>Bytes of the header.</summary>
    public const int HeaderLength = MagicLength + (2 * IdLength) + 8 + 1 + 8 + BackupKeyIdLength + DigestLength;

    /// <summary>Longest name of a key, in bytes of ASCII.</summary>
    public const int MaxNameLength = 128;

    /// <summary>Most attributes of one entry.</summary>
    public const int MaxAttributes = 32;

    /// <summary>Bytes of a wrapped KEK or integrity key (docs/spec/key-blob.md).</summary>
    public const int KeyBlobLength = 41;

    /// <summary>Bytes of the integrity key's check value.</summary>
    public const int IntegrityCheckLength = 32;

    /// <summary>Bytes of the signing key: SubjectPublicKeyInfo of a P-256 key, DER.</summary>
    public const int SigningKeyLength = 91;

    /// <summary>Bytes of the signature: r and s.</summary>
    public const int SignatureLength = 64;

    internal const int MagicLength = 8;
    internal const int EntryHeaderLength = 1 + 2;
    internal const int AttributeLength = 1 + 8;
    internal const int MaterialLength = WrappedDataKey.Length + KeyBlobLength + WrappedDataKey.Length;
    internal const int IntegrityKeyLength = KeyBlobLength + IntegrityCheckLength;
    internal const int TrailerLength = (3 * 8) + SigningKeyLength + SignatureLength;

    /// <summary>Longest body of an entry: a version with every attribute that fits.</summary>
    internal const int MaxBodyLength = KeyVersionId.Length + 1 + (MaxAttributes * AttributeLength) + 1 + MaterialLength;

    /// <summary>First byte of a wrapped key: AES-KW.</summary>
    internal const byte AesKeyWrap = 0x01;

    internal static ReadOnlySpan<byte> Magic => "KSBNDL01"u8;

    /// <summary>What every version of the format begins with.</summary>
    internal static ReadOnlySpan<byte> MagicFamily => "KSBNDL"u8;

    /// <summary>Stands before the digest in what is signed.</summary>
    internal static ReadOnlySpan<byte> SignatureLabel => "keyservice/v1/backup-bundle\0"u8;
}

/// <summary>What an entry of a bundle is. Frozen.</summary>
internal enum BundleEntryType : byte
{
    IntegrityKey = 0x01,
    Key = 0x02,
    Version = 0x03,
    Trailer = 0xFF,
}
