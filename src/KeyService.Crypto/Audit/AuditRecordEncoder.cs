using System.Buffers.Binary;
using System.Text.Unicode;

namespace KeyService.Crypto;

/// <summary>Writes the canonical bytes of an audit record.</summary>
internal ref struct AuditRecordEncoder
{
    private readonly Span<byte> _buffer;
    private int _used;

    private AuditRecordEncoder(Span<byte> buffer) => _buffer = buffer;

    internal static byte[] Encode(AuditRecord record)
    {
        if (!Enum.IsDefined(record.Type) || !Enum.IsDefined(record.Outcome)
            || record.ContextDigest.Length is not (0 or AuditRecord.ContextDigestLength)
            || record.KeyVersion == KeyVersionId.None)
        {
            throw new InvalidOperationException("An audit record holds an undefined type or outcome, a digest that is not 32 bytes, or key version zero.");
        }
        var encoder = new AuditRecordEncoder(stackalloc byte[AuditRecordFormat.MaxLength]);
        encoder._buffer[encoder._used++] = AuditRecord.Version;
        encoder.Add(AuditFieldId.Time, (ulong)record.TimeUnixNanoseconds, 8);
        encoder.Add(AuditFieldId.Slot, record.Slot, 4);
        encoder.Add(AuditFieldId.Sequence, record.Sequence, 8);
        encoder.Add(AuditFieldId.Event, record.EventId, 2);
        encoder.Add(AuditFieldId.Type, (byte)record.Type, 1);
        encoder.Add(AuditFieldId.Outcome, (byte)record.Outcome, 1);
        encoder.Add(AuditFieldId.Principal, record.Principal);
        encoder.Add(AuditFieldId.PrincipalType, record.PrincipalType);
        encoder.Add(AuditFieldId.Authentication, record.Authentication);
        encoder.Add(AuditFieldId.OnBehalfOf, record.OnBehalfOf);
        encoder.Add(AuditFieldId.Source, record.Source);
        encoder.Add(AuditFieldId.Device, record.Device);
        encoder.Add(AuditFieldId.Key, record.Key);
        encoder.Add(AuditFieldId.KeyVersion, record.KeyVersion?.Value, 8);
        encoder.Add(AuditFieldId.ContextDigest, record.ContextDigest.Span);
        encoder.Add(AuditFieldId.ItemCount, record.ItemCount, 8);
        encoder.Add(AuditFieldId.ByteCount, record.ByteCount, 8);
        encoder.Add(AuditFieldId.Reason, record.Reason);
        encoder.Add(AuditFieldId.TraceId, record.TraceId);
        encoder.Add(AuditFieldId.RequestId, record.RequestId);
        encoder.Add(AuditFieldId.DurationMicroseconds, record.DurationMicroseconds, 8);
        encoder.Add(AuditFieldId.Automated, record.Automated ? 1UL : 0UL, 1);
        encoder.Add(AuditFieldId.Detail, record.Detail);
        return record.Changes.Count == 0 ? encoder._buffer[..encoder._used].ToArray() : encoder.WithChanges(record.Changes);
    }

    // Most records have none and fit on the stack; these may be larger than that.
    private readonly byte[] WithChanges(IReadOnlyList<AuditRowChange> changes)
    {
        int length = AuditRowChanges.Measure(changes);
        byte[] encoded = new byte[_used + AuditRecordFormat.FieldHeaderLength + length];
        _buffer[.._used].CopyTo(encoded);
        Span<byte> field = encoded.AsSpan(_used);
        BinaryPrimitives.WriteUInt16BigEndian(field, (ushort)AuditFieldId.Changes);
        BinaryPrimitives.WriteUInt32BigEndian(field[2..], (uint)length);
        AuditRowChanges.Write(changes, field[AuditRecordFormat.FieldHeaderLength..]);
        return encoded;
    }

    private void Add(AuditFieldId id, ulong? value, int length)
    {
        if (value is not { } number)
        {
            return;
        }
        Begin(id, length);
        for (int i = length - 1; i >= 0; i--)
        {
            _buffer[_used + i] = (byte)number;
            number >>= 8;
        }
        _used += length;
    }

    private void Add(AuditFieldId id, ReadOnlySpan<byte> value)
    {
        if (value.IsEmpty)
        {
            return;
        }
        Begin(id, value.Length);
        value.CopyTo(_buffer[_used..]);
        _used += value.Length;
    }

    private void Add(AuditFieldId id, string? text)
    {
        if (string.IsNullOrEmpty(text))
        {
            return;
        }
        // Writes whole scalars until the room is full, and U+FFFD for what is no scalar.
        Span<byte> room = _buffer.Slice(_used + AuditRecordFormat.FieldHeaderLength, AuditRecordFormat.MaxTextLength(id));
        Utf8.FromUtf16(text, room, out _, out int length, replaceInvalidSequences: true);
        Begin(id, length);
        _used += length;
    }

    private void Begin(AuditFieldId id, int length)
    {
        BinaryPrimitives.WriteUInt16BigEndian(_buffer[_used..], (ushort)id);
        BinaryPrimitives.WriteUInt32BigEndian(_buffer[(_used + 2)..], (uint)length);
        _used += AuditRecordFormat.FieldHeaderLength;
    }
}
