using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;

namespace KeyService.Crypto;

/// <summary>
/// Reads the canonical bytes of an audit record, and nothing else. Fields are asked for in ascending order of their ids; one that is out
/// of order, repeated or unknown is never asked for, so it remains and the record is refused.
/// </summary>
internal ref struct AuditRecordDecoder
{
    private ReadOnlySpan<byte> _rest;
    private bool _failed;

    private AuditRecordDecoder(ReadOnlySpan<byte> fields) => _rest = fields;

    internal static bool TryParse(ReadOnlySpan<byte> encoded, out AuditRecord? record)
    {
        record = null;
        if (encoded.IsEmpty || encoded[0] != AuditRecord.Version)
        {
            return false;
        }
        var decoder = new AuditRecordDecoder(encoded[1..]);
        AuditRecord parsed = decoder.Read();
        if (decoder._failed || !decoder._rest.IsEmpty)
        {
            return false;
        }
        record = parsed;
        return true;
    }

    // Initialisers run in the order they are written: that of the field ids.
    private AuditRecord Read() => new()
    {
        TimeUnixNanoseconds = (long)Required(AuditFieldId.Time, 8),
        Slot = (uint)Required(AuditFieldId.Slot, 4),
        Sequence = Required(AuditFieldId.Sequence, 8),
        EventId = (ushort)Required(AuditFieldId.Event, 2),
        Type = Defined((AuditEventType)Required(AuditFieldId.Type, 1)),
        Outcome = Defined((AuditOutcome)Required(AuditFieldId.Outcome, 1)),
        Principal = Text(AuditFieldId.Principal),
        PrincipalType = Text(AuditFieldId.PrincipalType),
        Authentication = Text(AuditFieldId.Authentication),
        OnBehalfOf = Text(AuditFieldId.OnBehalfOf),
        Source = Text(AuditFieldId.Source),
        Device = Text(AuditFieldId.Device),
        Key = Text(AuditFieldId.Key),
        KeyVersion = Version(),
        ContextDigest = Digest(),
        ItemCount = Number(AuditFieldId.ItemCount, 8),
        ByteCount = Number(AuditFieldId.ByteCount, 8),
        Reason = Text(AuditFieldId.Reason),
        TraceId = Text(AuditFieldId.TraceId),
        RequestId = Text(AuditFieldId.RequestId),
        DurationMicroseconds = Number(AuditFieldId.DurationMicroseconds, 8),
        Automated = Flag(),
        Detail = Text(AuditFieldId.Detail),
        Changes = Changes(),
    };

    private bool TryField(AuditFieldId id, out ReadOnlySpan<byte> value)
    {
        value = default;
        if (_rest.Length < AuditRecordFormat.FieldHeaderLength || BinaryPrimitives.ReadUInt16BigEndian(_rest) != (ushort)id)
        {
            return false;
        }
        uint length = BinaryPrimitives.ReadUInt32BigEndian(_rest[2..]);
        if (length > (uint)(_rest.Length - AuditRecordFormat.FieldHeaderLength))
        {
            _failed = true;
            return false;
        }
        value = _rest.Slice(AuditRecordFormat.FieldHeaderLength, (int)length);
        _rest = _rest[(AuditRecordFormat.FieldHeaderLength + (int)length)..];
        return true;
    }

    private ulong? Number(AuditFieldId id, int length)
    {
        if (!TryField(id, out ReadOnlySpan<byte> value))
        {
            return null;
        }
        if (value.Length != length)
        {
            _failed = true;
            return 0;
        }
        ulong number = 0;
        foreach (byte digit in value)
        {
            number = (number << 8) | digit;
        }
        return number;
    }

    private ulong Required(AuditFieldId id, int length)
    {
        ulong? number = Number(id, length);
        _failed |= number is null;
        return number ?? 0;
    }

    private T Defined<T>(T value)
        where T : struct, Enum
    {
        _failed |= !Enum.IsDefined(value);
        return value;
    }

    private bool Flag()
    {
        ulong flag = Required(AuditFieldId.Automated, 1);
        _failed |= flag > 1;
        return flag == 1;
    }

    private KeyVersionId? Version()
    {
        ulong? id = Number(AuditFieldId.KeyVersion, 8);
        _failed |= id == 0;
        return id is null ? null : new KeyVersionId(id.Value);
    }

    private ReadOnlyMemory<byte> Digest()
    {
        if (!TryField(AuditFieldId.ContextDigest, out ReadOnlySpan<byte> value))
        {
            return default;
        }
        _failed |= value.Length != AuditRecord.ContextDigestLength;
        return value.ToArray();
    }

    private IReadOnlyList<AuditRowChange> Changes()
    {
        if (!TryField(AuditFieldId.Changes, out ReadOnlySpan<byte> value))
        {
            return [];
        }
        _failed |= !AuditRowChanges.TryRead(value, out IReadOnlyList<AuditRowChange> changes);
        return changes;
    }

    private string? Text(AuditFieldId id)
    {
        if (!TryField(id, out ReadOnlySpan<byte> value))
        {
            return null;
        }
        _failed |= value.IsEmpty || value.Length > AuditRecordFormat.MaxTextLength(id) || !Utf8.IsValid(value);
        return _failed ? null : Encoding.UTF8.GetString(value);
    }
}
