using System.Buffers.Binary;
using KeyService.Crypto.Backups;

namespace KeyService.Crypto.Logs;

/// <summary>
/// One entry of the directory log. docs/spec/audit-log.md.
/// <code>version 0x01 | kind 1 | time 8 | lease, checkpoint, seal: slot 4, size 8, root 32 · key, peer key: SubjectPublicKeyInfo 91</code>
/// </summary>
public sealed record DirectoryEntry
{
    private const byte Version = 0x01;
    private const int HeadLength = 10;

    /// <summary>Bytes of an entry about a slot.</summary>
    public const int SlotEntryLength = HeadLength + 4 + 8 + MerkleHash.Length;

    /// <summary>Bytes of an entry of a key; no other is as long.</summary>
    public const int KeyEntryLength = HeadLength + BundleFormat.SigningKeyLength;

    private DirectoryEntry(DirectoryEntryKind kind, long time, uint slot, long size, byte[] value)
    {
        Kind = kind;
        TimeUnixNanoseconds = time;
        Slot = slot;
        Size = size;
        Value = value;
    }

    /// <summary>What it says.</summary>
    public DirectoryEntryKind Kind { get; }

    /// <summary>Whether it says who signs, and nothing of a slot.</summary>
    public bool IsOfKey => SaysWhoSigns(Kind);

    /// <summary>Nanoseconds since 1970-01-01T00:00:00Z.</summary>
    public long TimeUnixNanoseconds { get; }

    /// <summary>Which slot; 0 of a key entry.</summary>
    public uint Slot { get; }

    /// <summary>Records of the slot's log; 0 of a key entry.</summary>
    public long Size { get; }

    /// <summary>Root of the slot's log at that size, 32 bytes; of a key entry the new key, 91.</summary>
    public ReadOnlyMemory<byte> Value { get; }

    /// <summary>An entry about a slot.</summary>
    public static DirectoryEntry Of(DirectoryEntryKind kind, long timeUnixNanoseconds, uint slot, long size, ReadOnlySpan<byte> root)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(size);
        ArgumentOutOfRangeException.ThrowIfNotEqual(root.Length, MerkleHash.Length);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((int)kind, (int)DirectoryEntryKind.Key);
        return new DirectoryEntry(kind, timeUnixNanoseconds, slot, size, root.ToArray());
    }

    /// <summary>The next key.</summary>
    public static DirectoryEntry OfKey(long timeUnixNanoseconds, ReadOnlySpan<byte> publicKey) => OfKey(DirectoryEntryKind.Key, timeUnixNanoseconds, publicKey);

    /// <summary>A key of another token that signs beside those in force.</summary>
    public static DirectoryEntry OfPeerKey(long timeUnixNanoseconds, ReadOnlySpan<byte> publicKey) =>
        OfKey(DirectoryEntryKind.PeerKey, timeUnixNanoseconds, publicKey);

    private static DirectoryEntry OfKey(DirectoryEntryKind kind, long timeUnixNanoseconds, ReadOnlySpan<byte> publicKey) => BundleSignature.IsSigningKey(publicKey)
        ? new DirectoryEntry(kind, timeUnixNanoseconds, 0, 0, publicKey.ToArray())
        : throw new ArgumentException("A checkpoint key is on P-256, 91 bytes.", nameof(publicKey));

    /// <summary>The entry's bytes.</summary>
    public byte[] Encode()
    {
        byte[] bytes = new byte[IsOfKey ? KeyEntryLength : SlotEntryLength];
        bytes[0] = Version;
        bytes[1] = (byte)Kind;
        BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(2), TimeUnixNanoseconds);
        if (!IsOfKey)
        {
            BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(HeadLength), Slot);
            BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(HeadLength + 4), Size);
        }
        Value.Span.CopyTo(bytes.AsSpan(bytes.Length - Value.Length));
        return bytes;
    }

    /// <summary>What parses encodes to the same bytes.</summary>
    public static bool TryParse(ReadOnlySpan<byte> bytes, out DirectoryEntry? entry)
    {
        entry = null;
        if (bytes.Length < HeadLength || bytes[0] != Version)
        {
            return false;
        }
        var kind = (DirectoryEntryKind)bytes[1];
        long time = BinaryPrimitives.ReadInt64BigEndian(bytes[2..]);
        if (SaysWhoSigns(kind) && BundleSignature.IsSigningKey(bytes[HeadLength..]))
        {
            entry = new DirectoryEntry(kind, time, 0, 0, bytes[HeadLength..].ToArray());
        }
        else if (kind is DirectoryEntryKind.Lease or DirectoryEntryKind.Checkpoint or DirectoryEntryKind.Seal && bytes.Length == SlotEntryLength
            && BinaryPrimitives.ReadInt64BigEndian(bytes[(HeadLength + 4)..]) is var size and >= 0)
        {
            entry = new DirectoryEntry(kind, time, BinaryPrimitives.ReadUInt32BigEndian(bytes[HeadLength..]), size, bytes[(HeadLength + 12)..].ToArray());
        }
        return entry is not null;
    }

    private static bool SaysWhoSigns(DirectoryEntryKind kind) => kind is DirectoryEntryKind.Key or DirectoryEntryKind.PeerKey;

    /// <inheritdoc/>
    public bool Equals(DirectoryEntry? other) => other is not null && Encode().AsSpan().SequenceEqual(other.Encode());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Kind, TimeUnixNanoseconds, Slot, Size);
}
