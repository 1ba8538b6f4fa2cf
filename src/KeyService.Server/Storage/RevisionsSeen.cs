using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace KeyService.Server.Storage;

/// <summary>
/// The revisions of rows that this server has read or written: a row that stands at a smaller one was put back. Remembers some hundred thousand
/// rows, the latest in their places; what it does not remember the scrub finds. Thread safe.
/// </summary>
internal sealed class RevisionsSeen
{
    private const int Places = 1 << 17;

    private readonly (ulong Row, long Revision)[] _places = new (ulong, long)[Places];
    private readonly Lock _gate = new();
    private bool _suspended;

    /// <summary>Remembers a revision that is durable.</summary>
    public void Note(string table, string rowId, long revision)
    {
        var (place, row) = PlaceOf(table, rowId);
        lock (_gate)
        {
            if (_places[place].Row != row || _places[place].Revision < revision)
            {
                _places[place] = (row, revision);
            }
        }
    }

    /// <exception cref="RowOlderException">A later revision was seen before.</exception>
    public void Demand(string table, string rowId, long revision)
    {
        var (place, row) = PlaceOf(table, rowId);
        long seen;
        lock (_gate)
        {
            seen = _places[place].Row == row && !_suspended ? _places[place].Revision : 0;
        }

        if (revision < seen)
        {
            throw new RowOlderException(table, rowId, $"the row stands at revision {revision} and this server has seen revision {seen}: it was put back");
        }
    }

    /// <summary>The whole store was found to be put back: that is told and answered as a whole, and what was encrypted stays readable.</summary>
    public void Suspend()
    {
        lock (_gate)
        {
            _suspended = true;
        }
    }

    /// <summary>The store is accepted as it stands.</summary>
    public void BeginAnew()
    {
        lock (_gate)
        {
            Array.Clear(_places);
            _suspended = false;
        }
    }

    // 64 bits beside the place: two rows of one installation are not taken for each other.
    private static (int Place, ulong Row) PlaceOf(string table, string rowId)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes($"{table}\0{rowId}"), hash);
        return ((int)(BinaryPrimitives.ReadUInt32BigEndian(hash) % Places), BinaryPrimitives.ReadUInt64BigEndian(hash[8..]));
    }
}
