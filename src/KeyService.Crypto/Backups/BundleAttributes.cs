using System.Buffers.Binary;

namespace KeyService.Crypto.Backups;

/// <summary>
/// Numbers that a key or a version carries beside its wrapped keys. Frozen: a new one takes a new number, none is given again. Times are nanoseconds
/// since 1970 UTC. A reader keeps numbers that it does not know.
/// </summary>
public enum BundleAttributeId : byte
{
    /// <summary>When it was made. Of keys and of versions.</summary>
    CreatedAt = 1,

    /// <summary>What the key is for: 1 encrypt and decrypt, 2 blind index.</summary>
    Purpose = 2,

    /// <summary>Id of the version that protects, its 64 bits as a signed number.</summary>
    PrimaryVersion = 3,

    /// <summary>Seconds from activation to rotation.</summary>
    RotationPeriodSeconds = 4,

    /// <summary>Seconds from activation after which a version protects nothing more.</summary>
    RotationLimitSeconds = 5,

    /// <summary>Seconds before the rotation at which it is looked at whether it can be done.</summary>
    WarnBeforeSeconds = 6,

    /// <summary>When the key is to be rotated next.</summary>
    RotateAt = 7,

    /// <summary>State of the version: 1 pre-activation, 2 active, 3 suspended, 4 deactivated, 5 compromised, 6 destroyed.</summary>
    State = 16,

    /// <summary>When the version began to protect.</summary>
    ActivatedAt = 17,

    /// <summary>When it ceased to.</summary>
    DeactivatedAt = 18,

    /// <summary>When it took its present state.</summary>
    StateChangedAt = 19,

    /// <summary>Since when it is suspected to be known to somebody else.</summary>
    SuspectedSince = 20,

    /// <summary>When it was declared compromised.</summary>
    ProcessedAt = 21,

    /// <summary>When it is to be destroyed.</summary>
    DestroyAt = 22,

    /// <summary>Encryptions under the version that were reserved: an upper bound of those made.</summary>
    WrapsReserved = 23,

    /// <summary>1: it is suspended and does not decrypt either. Absent: it decrypts as its state allows.</summary>
    ProcessingStopped = 24,
}

/// <summary>One attribute.</summary>
public readonly record struct BundleAttribute(BundleAttributeId Id, long Value);

/// <summary>The attributes of an entry, a view over its bytes: <c>count 1 | (id 1 | value 8)…</c>, ids ascending.</summary>
public readonly struct BundleAttributes
{
    private readonly ReadOnlyMemory<byte> _pairs;

    internal BundleAttributes(ReadOnlyMemory<byte> pairs) => _pairs = pairs;

    /// <summary>How many there are.</summary>
    public int Count => _pairs.Length / BundleFormat.AttributeLength;

    /// <summary>The attribute at a place, in ascending order of ids.</summary>
    public BundleAttribute this[int index]
    {
        get
        {
            ReadOnlySpan<byte> pair = _pairs.Span.Slice(index * BundleFormat.AttributeLength, BundleFormat.AttributeLength);
            return new BundleAttribute((BundleAttributeId)pair[0], BinaryPrimitives.ReadInt64BigEndian(pair[1..]));
        }
    }

    /// <summary>The value of an attribute; null when the entry has none.</summary>
    public long? this[BundleAttributeId id]
    {
        get
        {
            for (int i = 0; i < Count; i++)
            {
                BundleAttribute attribute = this[i];
                if (attribute.Id == id)
                {
                    return attribute.Value;
                }
            }
            return null;
        }
    }

    /// <summary>Bytes of so many attributes with their count.</summary>
    internal static int EncodedLength(int count) => 1 + (count * BundleFormat.AttributeLength);

    /// <exception cref="ArgumentException">Too many, not ascending, or one of <paramref name="required"/> is missing.</exception>
    internal static int Write(Span<byte> destination, ReadOnlySpan<BundleAttribute> attributes, ReadOnlySpan<BundleAttributeId> required)
    {
        if (attributes.Length > BundleFormat.MaxAttributes)
        {
            throw new ArgumentException($"An entry has at most {BundleFormat.MaxAttributes} attributes.", nameof(attributes));
        }
        destination[0] = (byte)attributes.Length;
        int used = 1;
        int found = 0;
        var last = (BundleAttributeId)0;
        foreach (BundleAttribute attribute in attributes)
        {
            if (attribute.Id <= last)
            {
                throw new ArgumentException("Attributes stand in ascending order of their ids, none twice.", nameof(attributes));
            }
            last = attribute.Id;
            found += required.Contains(attribute.Id) ? 1 : 0;
            destination[used] = (byte)attribute.Id;
            BinaryPrimitives.WriteInt64BigEndian(destination[(used + 1)..], attribute.Value);
            used += BundleFormat.AttributeLength;
        }
        return found == required.Length ? used : throw new ArgumentException("An attribute that every such entry has is missing.", nameof(attributes));
    }

    /// <summary>Takes the attributes at the beginning of <paramref name="body"/>; <paramref name="rest"/> is what follows.</summary>
    internal static bool TryTake(
        ReadOnlyMemory<byte> body, ReadOnlySpan<BundleAttributeId> required, out BundleAttributes attributes, out ReadOnlyMemory<byte> rest)
    {
        attributes = default;
        rest = default;
        if (body.IsEmpty || body.Span[0] > BundleFormat.MaxAttributes || body.Length < EncodedLength(body.Span[0]))
        {
            return false;
        }
        int length = EncodedLength(body.Span[0]);
        attributes = new BundleAttributes(body[1..length]);
        rest = body[length..];
        int found = 0;
        var last = (BundleAttributeId)0;
        for (int i = 0; i < attributes.Count; i++)
        {
            BundleAttributeId id = attributes[i].Id;
            if (id <= last)
            {
                return false;
            }
            last = id;
            found += required.Contains(id) ? 1 : 0;
        }
        return found == required.Length;
    }
}
