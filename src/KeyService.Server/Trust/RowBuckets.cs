using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using KeyService.Server.Storage;

namespace KeyService.Server.Trust;

/// <summary>
/// Rows and changes of rows on disk, spread over files by a hash of table and row id, so that what belongs to one row is read together and
/// ten million of them need no more memory than the largest file does (about 30 MB). Holds no secret: names, revisions, digests.
/// <code>for each: table length 1 | table | row id length 2 | row id | revision 8 | digest 32</code>
/// </summary>
internal sealed class RowBuckets : IDisposable
{
    /// <summary>Files.</summary>
    public const int Count = 64;

    private const int BufferSize = 16 * 1024;
    private const int LongestEntry = 1 + 255 + 2 + ushort.MaxValue + 8 + SHA256.HashSizeInBytes;

    private readonly string _directory;
    private readonly string _name;
    private readonly FileStream?[] _files = new FileStream?[Count];
    private readonly byte[] _entry = new byte[LongestEntry];

    /// <param name="directory">Exists; the files are made in it when something is added.</param>
    /// <param name="name">Begins the files' names.</param>
    public RowBuckets(string directory, string name)
    {
        _directory = directory;
        _name = name;
    }

    /// <summary>Entries added.</summary>
    public long Added { get; private set; }

    public string PathOf(int bucket) => Path.Combine(_directory, $"{_name}-{bucket:d2}");

    public static int BucketOf(string table, string rowId) => SHA256.HashData(Encoding.UTF8.GetBytes($"{table}\0{rowId}"))[0] % Count;

    public void Add(RowChange change) => Add(BucketOf(change.Table, change.RowId), change);

    public void Add(int bucket, RowChange change)
    {
        var file = _files[bucket] ??= new FileStream(PathOf(bucket), FileMode.Create, FileAccess.Write, FileShare.Read, BufferSize);
        var entry = _entry.AsSpan();
        var at = 1 + Encoding.UTF8.GetBytes(change.Table, entry[1..]);
        entry[0] = (byte)(at - 1);
        var rowId = Encoding.UTF8.GetBytes(change.RowId, entry[(at + 2)..]);
        BinaryPrimitives.WriteUInt16BigEndian(entry[at..], (ushort)rowId);
        at += 2 + rowId;
        BinaryPrimitives.WriteInt64BigEndian(entry[at..], change.Revision);
        change.Digest.CopyTo(entry[(at + 8)..]);
        file.Write(entry[..(at + 8 + SHA256.HashSizeInBytes)]);
        Added++;
    }

    /// <summary>Nothing more is added; what was can be read.</summary>
    public void Close()
    {
        for (var bucket = 0; bucket < Count; bucket++)
        {
            _files[bucket]?.Dispose();
            _files[bucket] = null;
        }
    }

    /// <exception cref="InvalidDataException">The file is not what <see cref="Add(RowChange)"/> writes.</exception>
    public IEnumerable<RowChange> Read(int bucket)
    {
        var path = PathOf(bucket);
        if (!File.Exists(path))
        {
            yield break;
        }

        using var reader = new BinaryReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, BufferSize), Encoding.UTF8);
        while (reader.BaseStream.Position < reader.BaseStream.Length)
        {
            var table = Encoding.UTF8.GetString(Exactly(reader, reader.ReadByte()));
            var rowId = Encoding.UTF8.GetString(Exactly(reader, BinaryPrimitives.ReadUInt16BigEndian(Exactly(reader, 2))));
            var revision = BinaryPrimitives.ReadInt64BigEndian(Exactly(reader, 8));
            yield return new RowChange(table, rowId, revision, Exactly(reader, SHA256.HashSizeInBytes));
        }
    }

    public void Dispose() => Close();

    private static byte[] Exactly(BinaryReader reader, int count)
    {
        var bytes = reader.ReadBytes(count);
        return bytes.Length == count ? bytes : throw new InvalidDataException("A file of the scrub ends inside an entry.");
    }
}
