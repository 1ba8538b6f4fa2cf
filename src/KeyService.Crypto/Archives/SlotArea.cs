using System.Buffers.Binary;
using System.Security.Cryptography;

namespace KeyService.Crypto.Archives;

/// <summary>
/// One of the two slot areas: sequence number u64, slot count u8, wrapped data keys of 69 bytes, zeros, SHA-256 over the fixed
/// part and all of the area before the hash. The hash finds torn writes and plain damage. It is no authentication: that the
/// wrapped keys belong here is proven when one of them opens, and that the key is right by the payload's commitment.
/// </summary>
internal sealed class SlotArea
{
    public const int Length = ArchiveFormat.SectorLength;
    private const int SlotsAt = 9;
    private const int HashAt = Length - SHA256.HashSizeInBytes;

    private SlotArea(ulong sequence, ReadOnlyMemory<byte>[] slots)
    {
        Sequence = sequence;
        Slots = slots;
    }

    /// <summary>1 or more; the valid area with the higher number is the one in force.</summary>
    public ulong Sequence { get; }

    public IReadOnlyList<ReadOnlyMemory<byte>> Slots { get; }

    public static SlotArea Create(ulong sequence, IReadOnlyList<ReadOnlyMemory<byte>> wrappedDataKeys)
    {
        ArgumentNullException.ThrowIfNull(wrappedDataKeys);
        ArgumentOutOfRangeException.ThrowIfZero(sequence);
        if (wrappedDataKeys.Count is < 1 or > ArchiveFormat.MaxSlots)
        {
            throw new ArgumentException("An archive holds 1 to 16 wrapped data keys.", nameof(wrappedDataKeys));
        }

        var slots = new ReadOnlyMemory<byte>[wrappedDataKeys.Count];
        for (int i = 0; i < slots.Length; i++)
        {
            if (!WrappedDataKey.TryParse(wrappedDataKeys[i].Span, out _))
            {
                throw new ArgumentException("A wrapped data key is not of the format that this version knows.", nameof(wrappedDataKeys));
            }

            slots[i] = wrappedDataKeys[i].ToArray();
        }

        return new SlotArea(sequence, slots);
    }

    /// <summary>Null when the area is torn, damaged or not in its one canonical form.</summary>
    public static SlotArea? TryParse(ReadOnlySpan<byte> fixedPart, ReadOnlySpan<byte> area)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        Hash(fixedPart, area[..HashAt], hash);
        if (!area[HashAt..].SequenceEqual(hash))
        {
            return null;
        }

        ulong sequence = BinaryPrimitives.ReadUInt64BigEndian(area);
        int count = area[8];
        if (sequence == 0 || count is < 1 or > ArchiveFormat.MaxSlots)
        {
            return null;
        }

        int end = SlotsAt + (count * WrappedDataKey.Length);
        if (area[end..HashAt].ContainsAnyExcept((byte)0))
        {
            return null;
        }

        var slots = new ReadOnlyMemory<byte>[count];
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> slot = area.Slice(SlotsAt + (i * WrappedDataKey.Length), WrappedDataKey.Length);
            if (!WrappedDataKey.TryParse(slot, out _))
            {
                return null;
            }

            slots[i] = slot.ToArray();
        }

        return new SlotArea(sequence, slots);
    }

    public void Write(ReadOnlySpan<byte> fixedPart, Span<byte> area)
    {
        area = area[..Length];
        area.Clear();
        BinaryPrimitives.WriteUInt64BigEndian(area, Sequence);
        area[8] = (byte)Slots.Count;
        for (int i = 0; i < Slots.Count; i++)
        {
            Slots[i].Span.CopyTo(area[(SlotsAt + (i * WrappedDataKey.Length))..]);
        }

        Hash(fixedPart, area[..HashAt], area[HashAt..]);
    }

    private static void Hash(ReadOnlySpan<byte> fixedPart, ReadOnlySpan<byte> area, Span<byte> hash)
    {
        using var sha256 = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        sha256.AppendData(fixedPart);
        sha256.AppendData(area);
        sha256.GetHashAndReset(hash);
    }
}
