namespace KeyService.Crypto.Archives;

/// <summary>
/// Sizes and fixed bytes of the archive format, docs/spec/archive.md. All integers are big-endian.
/// The payload is C2SP chunked-encryption v1 in the instantiation Cobblestone-256 (https://c2sp.org/chunked-encryption).
/// </summary>
public static class ArchiveFormat
{
    /// <summary>Recommended suffix of archive files.</summary>
    public const string FileSuffix = ".ksa";

    /// <summary>Length of the random archive id in bytes.</summary>
    public const int ArchiveIdLength = 16;

    /// <summary>Longest content name in bytes of UTF-8.</summary>
    public const int MaxContentNameLength = 255;

    /// <summary>Most wrapped data keys in one slot area.</summary>
    public const int MaxSlots = 16;

    /// <summary>Length in bytes of one slot area, and what the fixed part is padded to a multiple of: the sector that a disk writes as one.</summary>
    public const int SectorLength = 4096;

    /// <summary>Longest header: the fixed part with the longest context and name (two sectors) and two slot areas.</summary>
    public const int MaxHeaderLength = 4 * SectorLength;

    /// <summary>Plaintext bytes of every chunk but the last, which is shorter.</summary>
    public const int ChunkLength = 16 * 1024;

    /// <summary>Length of a GCM tag in bytes.</summary>
    public const int TagLength = 16;

    /// <summary>Ciphertext bytes of every chunk but the last.</summary>
    public const int SealedChunkLength = ChunkLength + TagLength;

    /// <summary>Salt in front of the payload, in bytes.</summary>
    public const int SaltLength = 24;

    /// <summary>Key commitment after the salt, in bytes.</summary>
    public const int CommitmentLength = 32;

    /// <summary>Salt and commitment.</summary>
    public const int PayloadPrefixLength = SaltLength + CommitmentLength;

    /// <summary>Most chunks of one message; the counter takes the last 38 bits of the nonce.</summary>
    public const ulong MaxChunks = 1UL << 38;

    internal const int MagicLength = 8;
    internal const int PrefixLength = MagicLength + ArchiveIdLength + 2 + 2;

    internal static ReadOnlySpan<byte> Magic => "KSARCH01"u8;

    /// <summary>Stands before magic and fixed part in the context of the Cobblestone message.</summary>
    internal static ReadOnlySpan<byte> MessageLabel => "keyservice/v1/archive\0"u8;

    /// <summary>Length of the fixed part with its padding, magic included.</summary>
    internal static int FixedLength(int contextLength, int nameLength) =>
        (PrefixLength + contextLength + nameLength + SectorLength - 1) / SectorLength * SectorLength;
}
