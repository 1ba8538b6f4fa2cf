using System.Buffers.Binary;
using System.Security.Cryptography;

namespace KeyService.Crypto.Archives;

/// <summary>
/// The header of an archive: magic, fixed part, two slot areas (docs/spec/archive.md). An instance is whole and in range; it
/// serialises to the bytes it was parsed from. Nothing in it is authenticated before the payload's commitment has matched.
/// </summary>
public sealed class ArchiveHeader
{
    private readonly byte[] _fixedPart;
    private readonly SlotArea?[] _areas;
    private readonly byte[]?[] _damaged;

    private ArchiveHeader(byte[] fixedPart, EncryptionContext context, string contentName, SlotArea?[] areas, byte[]?[] damaged)
    {
        _fixedPart = fixedPart;
        _areas = areas;
        _damaged = damaged;
        Context = context;
        ContentName = contentName;
        ActiveArea = areas[1] is null || (areas[0] is { } first && first.Sequence > areas[1]!.Sequence) ? 0 : 1;
    }

    /// <summary>16 random bytes; the subject that the wrapped data keys are bound to.</summary>
    public ReadOnlyMemory<byte> ArchiveId => _fixedPart.AsMemory(ArchiveFormat.MagicLength, ArchiveFormat.ArchiveIdLength);

    /// <summary>The context that wrapped keys and payload are bound to. Visible to everybody who has the file.</summary>
    public EncryptionContext Context { get; }

    /// <summary>What was archived, 0 to 255 bytes of UTF-8. A label: never use it as a path.</summary>
    public string ContentName { get; }

    /// <summary>The wrapped data keys in force, 1 to 16 of 69 bytes each; every one wraps the same data key.</summary>
    public IReadOnlyList<ReadOnlyMemory<byte>> WrappedDataKeys => _areas[ActiveArea]!.Slots;

    /// <summary>Sequence number of the slot area in force: 2 for a fresh archive, one more for each re-wrapping.</summary>
    public ulong Sequence => _areas[ActiveArea]!.Sequence;

    /// <summary>How many of the two slot areas are torn or damaged: 0 or 1. With 1 the archive still opens; re-wrapping repairs it.</summary>
    public int DamagedSlotAreas => (_areas[0] is null ? 1 : 0) + (_areas[1] is null ? 1 : 0);

    /// <summary>Bytes of the header; the payload begins there. 12,288 or 16,384.</summary>
    public int Length => _fixedPart.Length + (2 * SlotArea.Length);

    internal int ActiveArea { get; }

    internal ReadOnlySpan<byte> FixedPart => _fixedPart;

    /// <summary>A new random archive id.</summary>
    public static byte[] NewArchiveId() => RandomNumberGenerator.GetBytes(ArchiveFormat.ArchiveIdLength);

    /// <summary>A header for a new archive; both slot areas hold the given keys.</summary>
    /// <param name="archiveId">16 bytes, those that the data key was wrapped for.</param>
    /// <param name="context">The context that the data key was wrapped with.</param>
    /// <param name="contentName">0 to 255 bytes of UTF-8, no control characters, no U+FFFD.</param>
    /// <param name="wrappedDataKeys">1 to 16 wrappings (69 bytes) of one data key.</param>
    public static ArchiveHeader Create(
        ReadOnlySpan<byte> archiveId, EncryptionContext context, string contentName, params IReadOnlyList<ReadOnlyMemory<byte>> wrappedDataKeys)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (archiveId.Length != ArchiveFormat.ArchiveIdLength)
        {
            throw new ArgumentException("An archive id has 16 bytes.", nameof(archiveId));
        }

        byte[] name = ContentNameRule.Encode(contentName);
        ReadOnlySpan<byte> encodedContext = context.Encoded;
        byte[] fixedPart = new byte[ArchiveFormat.FixedLength(encodedContext.Length, name.Length)];
        ArchiveFormat.Magic.CopyTo(fixedPart);
        archiveId.CopyTo(fixedPart.AsSpan(ArchiveFormat.MagicLength));
        BinaryPrimitives.WriteUInt16BigEndian(fixedPart.AsSpan(24), (ushort)encodedContext.Length);
        BinaryPrimitives.WriteUInt16BigEndian(fixedPart.AsSpan(26), (ushort)name.Length);
        encodedContext.CopyTo(fixedPart.AsSpan(ArchiveFormat.PrefixLength));
        name.CopyTo(fixedPart.AsSpan(ArchiveFormat.PrefixLength + encodedContext.Length));
        return new ArchiveHeader(
            fixedPart, context, contentName, [SlotArea.Create(2, wrappedDataKeys), SlotArea.Create(1, wrappedDataKeys)], [null, null]);
    }

    /// <summary>Length of the header that begins with these bytes. Says what is wrong as early as a byte shows it.</summary>
    /// <param name="start">The first bytes of the input, as many as there are.</param>
    /// <param name="length">Header length when true.</param>
    /// <returns>False when more than the given bytes are needed to know (never with 28 or more).</returns>
    /// <exception cref="ArchiveException">NotAnArchive, UnsupportedVersion, or Damaged by a length out of range.</exception>
    public static bool TryGetLength(ReadOnlySpan<byte> start, out int length)
    {
        length = 0;
        ReadOnlySpan<byte> magic = start[..Math.Min(start.Length, ArchiveFormat.MagicLength)];
        if (!ArchiveFormat.Magic.StartsWith(magic))
        {
            // Six bytes name the format, two its version; the first byte that differs decides, however many have come.
            bool otherVersion = magic.StartsWith(ArchiveFormat.Magic[..6]);
            throw otherVersion
                ? new ArchiveException(ArchiveFault.UnsupportedVersion, "This archive has a format version that this program does not know.")
                : new ArchiveException(ArchiveFault.NotAnArchive, "This is not a KeyService archive.");
        }

        if (start.Length < ArchiveFormat.PrefixLength)
        {
            return false;
        }

        int contextLength = BinaryPrimitives.ReadUInt16BigEndian(start[24..]);
        int nameLength = BinaryPrimitives.ReadUInt16BigEndian(start[26..]);
        if (contextLength > EncryptionContext.MaxEncodedLength || nameLength > ArchiveFormat.MaxContentNameLength)
        {
            throw ArchiveException.Damaged("a length is out of range");
        }

        length = ArchiveFormat.FixedLength(contextLength, nameLength) + (2 * SlotArea.Length);
        return true;
    }

    /// <summary>Parses a header from the beginning of an archive; what follows it is not looked at.</summary>
    /// <exception cref="ArchiveException">Empty, NotAnArchive, UnsupportedVersion, Truncated or Damaged.</exception>
    public static ArchiveHeader Parse(ReadOnlySpan<byte> archive)
    {
        if (archive.IsEmpty)
        {
            throw new ArchiveException(ArchiveFault.Empty, "The archive is empty: 0 bytes.");
        }

        if (!TryGetLength(archive, out int length) || archive.Length < length)
        {
            throw ArchiveException.Truncated("its header");
        }

        byte[] fixedPart = archive[..(length - (2 * SlotArea.Length))].ToArray();
        int contextLength = BinaryPrimitives.ReadUInt16BigEndian(fixedPart.AsSpan(24));
        int nameLength = BinaryPrimitives.ReadUInt16BigEndian(fixedPart.AsSpan(26));
        ReadOnlySpan<byte> rest = fixedPart.AsSpan(ArchiveFormat.PrefixLength);
        if (!EncryptionContext.TryParse(rest[..contextLength], out EncryptionContext? context))
        {
            throw ArchiveException.Damaged("its context is not in canonical form");
        }

        if (!ContentNameRule.TryDecode(rest.Slice(contextLength, nameLength), out string name))
        {
            throw ArchiveException.Damaged("its content name breaks a rule");
        }

        if (rest[(contextLength + nameLength)..].ContainsAnyExcept((byte)0))
        {
            throw ArchiveException.Damaged("its padding is not zero");
        }

        return new ArchiveHeader(fixedPart, context, name, ParseAreas(fixedPart, archive[fixedPart.Length..length], out byte[]?[] damaged), damaged);
    }

    /// <summary>Writes the header, <see cref="Length"/> bytes.</summary>
    public void WriteTo(Span<byte> destination)
    {
        _fixedPart.CopyTo(destination);
        for (int i = 0; i < 2; i++)
        {
            WriteArea(i, destination[AreaOffset(i)..]);
        }
    }

    public byte[] ToArray()
    {
        byte[] bytes = new byte[Length];
        WriteTo(bytes);
        return bytes;
    }

    /// <summary>This header with other slots in the area that is not in force, which they come into force by.</summary>
    internal ArchiveHeader WithSlots(IReadOnlyList<ReadOnlyMemory<byte>> wrappedDataKeys)
    {
        if (Sequence == ulong.MaxValue)
        {
            throw ArchiveException.Damaged("its sequence number is used up");
        }

        SlotArea?[] areas = [_areas[0], _areas[1]];
        byte[]?[] damaged = [_damaged[0], _damaged[1]];
        areas[1 - ActiveArea] = SlotArea.Create(Sequence + 1, wrappedDataKeys);
        damaged[1 - ActiveArea] = null;
        return new ArchiveHeader(_fixedPart, Context, ContentName, areas, damaged);
    }

    internal int AreaOffset(int area) => _fixedPart.Length + (area * SlotArea.Length);

    internal void WriteArea(int area, Span<byte> destination)
    {
        if (_areas[area] is { } whole)
        {
            whole.Write(_fixedPart, destination);
        }
        else
        {
            _damaged[area].CopyTo(destination);
        }
    }

    /// <summary>What the payload's key derivation is bound to: label, magic and fixed part.</summary>
    internal byte[] MessageContext() => [.. ArchiveFormat.MessageLabel, .. _fixedPart];

    private static SlotArea?[] ParseAreas(ReadOnlySpan<byte> fixedPart, ReadOnlySpan<byte> bytes, out byte[]?[] damaged)
    {
        var areas = new SlotArea?[2];
        damaged = [null, null];
        for (int i = 0; i < 2; i++)
        {
            ReadOnlySpan<byte> area = bytes.Slice(i * SlotArea.Length, SlotArea.Length);
            areas[i] = SlotArea.TryParse(fixedPart, area);
            damaged[i] = areas[i] is null ? area.ToArray() : null;
        }

        if (areas[0] is null && areas[1] is null)
        {
            throw ArchiveException.Damaged("neither slot area is whole");
        }

        if (areas[0]?.Sequence == areas[1]?.Sequence)
        {
            throw ArchiveException.Damaged("both slot areas carry one sequence number");
        }

        return areas;
    }
}
