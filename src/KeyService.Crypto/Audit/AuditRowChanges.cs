using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;

namespace KeyService.Crypto;

/// <summary>
/// The value of field 24: the rows one after another.
/// <code>for each row: table length 1 | table | row id length 2 | row id | revision 8 | digest 32</code>
/// Nothing here comes from a caller, so nothing is cut: what does not fit is an error of whoever wrote the rows.
/// </summary>
internal static class AuditRowChanges
{
    private const int FixedLength = 1 + 2 + 8 + AuditRecord.RowDigestLength;
    private static readonly SearchValues<char> TableCharacters = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789_");

    /// <summary>Bytes that the rows take.</summary>
    /// <exception cref="InvalidOperationException">A row that the field cannot hold, or more rows than it can.</exception>
    internal static int Measure(IReadOnlyList<AuditRowChange> changes)
    {
        long length = 0;
        foreach (AuditRowChange change in changes)
        {
            length += LengthOf(change);
        }
        return length <= AuditRecord.MaxChangesLength
            ? (int)length
            : throw new InvalidOperationException(
                $"A change of {changes.Count} rows does not fit into one audit record ({AuditRecord.MaxChangesLength} bytes); make several of it.");
    }

    /// <summary>Bytes that one row takes.</summary>
    internal static int LengthOf(AuditRowChange change)
    {
        if (!IsTable(change.Table) || change.Revision < 1 || change.Digest.Length != AuditRecord.RowDigestLength || !TryMeasure(change.RowId, out int rowId))
        {
            throw new InvalidOperationException("An audit record holds a changed row without a proper table, row id, revision or digest.");
        }
        return FixedLength + change.Table.Length + rowId;
    }

    internal static void Write(IReadOnlyList<AuditRowChange> changes, Span<byte> into)
    {
        foreach (AuditRowChange change in changes)
        {
            into[0] = (byte)change.Table.Length;
            int at = 1 + Encoding.ASCII.GetBytes(change.Table, into[1..]);
            int rowId = Encoding.UTF8.GetBytes(change.RowId, into[(at + 2)..]);
            BinaryPrimitives.WriteUInt16BigEndian(into[at..], (ushort)rowId);
            at += 2 + rowId;
            BinaryPrimitives.WriteInt64BigEndian(into[at..], change.Revision);
            change.Digest.Span.CopyTo(into[(at + 8)..]);
            into = into[(at + 8 + AuditRecord.RowDigestLength)..];
        }
    }

    /// <summary>False for what <see cref="Write"/> does not write.</summary>
    internal static bool TryRead(ReadOnlySpan<byte> value, out IReadOnlyList<AuditRowChange> changes)
    {
        var read = new List<AuditRowChange>();
        changes = read;
        if (value.Length is 0 or > AuditRecord.MaxChangesLength)
        {
            return false;
        }
        while (!value.IsEmpty)
        {
            if (!TryReadOne(ref value, out AuditRowChange? change))
            {
                return false;
            }
            read.Add(change!);
        }
        return true;
    }

    private static bool TryReadOne(ref ReadOnlySpan<byte> rest, out AuditRowChange? change)
    {
        change = null;
        int tableLength = rest[0];
        if (rest.Length < FixedLength + tableLength)
        {
            return false;
        }
        ReadOnlySpan<byte> table = rest.Slice(1, tableLength);
        rest = rest[(1 + tableLength)..];
        int rowIdLength = BinaryPrimitives.ReadUInt16BigEndian(rest);
        if (rowIdLength is 0 or > AuditRecord.MaxRowIdLength || rest.Length < 2 + rowIdLength + 8 + AuditRecord.RowDigestLength)
        {
            return false;
        }
        ReadOnlySpan<byte> rowId = rest.Slice(2, rowIdLength);
        rest = rest[(2 + rowIdLength)..];
        long revision = BinaryPrimitives.ReadInt64BigEndian(rest);
        byte[] digest = rest.Slice(8, AuditRecord.RowDigestLength).ToArray();
        rest = rest[(8 + AuditRecord.RowDigestLength)..];
        string name = Encoding.Latin1.GetString(table);
        if (!IsTable(name) || !Utf8.IsValid(rowId) || revision < 1)
        {
            return false;
        }
        change = new AuditRowChange(name, Encoding.UTF8.GetString(rowId), revision, digest);
        return true;
    }

    private static bool IsTable(string name) => name.Length is > 0 and <= AuditRecord.MaxTableNameLength
        && name.AsSpan().IndexOfAnyExcept(TableCharacters) < 0;

    // A lone surrogate has no bytes: replaced, it would name another row.
    private static bool TryMeasure(string text, out int length)
    {
        length = Encoding.UTF8.GetByteCount(text);
        return length is > 0 and <= AuditRecord.MaxRowIdLength
            && Utf8.FromUtf16(text, stackalloc byte[AuditRecord.MaxRowIdLength], out _, out _, replaceInvalidSequences: false) == OperationStatus.Done;
    }
}
