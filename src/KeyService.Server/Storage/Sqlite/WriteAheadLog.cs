using System.Buffers.Binary;

namespace KeyService.Server.Storage.Sqlite;

/// <summary>
/// Looks into the write-ahead log that a dead process left, before SQLite does: SQLite's recovery ends at the first frame that does not verify and
/// drops what follows without a word, be it the torn end of a crash or a flipped byte before a hundred acknowledged commits.
/// </summary>
/// <remarks>
/// Format: SQLite, "WAL-mode File Format" (header of 32 bytes; frames of a 24-byte header and a page, each with a checksum over all before it; salts
/// that change whenever the log begins anew). With synchronous=FULL a commit is on the disk before the next one begins to be written, so behind the
/// torn end of a crash stands at most one commit frame of this log's salts. Two or more were acknowledged once: the log is damaged.
/// A damaged last commit looks like a torn one and cannot be told from it.
/// </remarks>
internal static class WriteAheadLog
{
    private const int HeaderLength = 32;
    private const int FrameHeaderLength = 24;
    private const int SumOffset = 24; // of the header's checksum
    private const int SaltsOffset = 16; // in the header
    private const uint Magic = 0x377F0682; // its lowest bit: checksums of big-endian words
    private const uint FormatVersion = 3007000;

    /// <returns>What is damaged, or null for a log that is whole or absent, or ends as a crash ends it.</returns>
    /// <exception cref="IOException">The log cannot be read.</exception>
    public static WriteAheadLogDamage? Inspect(string storePath)
    {
        var path = storePath + "-wal";
        if (!File.Exists(path))
        {
            return null;
        }

        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 1 << 20);
        return Inspect(file, path, StorePageLength(storePath));
    }

    /// <summary>A log without its store: SQLite would delete it, and what it holds may be all there is.</summary>
    public static bool IsOrphan(string storePath) =>
        new FileInfo(storePath + "-wal") is { Exists: true, Length: > HeaderLength } && new FileInfo(storePath) is not { Exists: true, Length: > 0 };

    /// <inheritdoc cref="Inspect(string)"/>
    /// <param name="log">From its beginning.</param>
    /// <param name="path">Its name, for what is said.</param>
    /// <param name="storePageLength">Bytes of a page of the store, for a log whose header does not say.</param>
    internal static WriteAheadLogDamage? Inspect(Stream log, string path, int storePageLength)
    {
        Span<byte> header = stackalloc byte[HeaderLength];
        if (log.ReadAtLeast(header, HeaderLength, throwOnEndOfStream: false) < HeaderLength)
        {
            return null;
        }

        return IsHeader(header) ? InspectFrames(log, path, header) : InspectWithoutHeader(log, path, storePageLength);
    }

    private static WriteAheadLogDamage? InspectFrames(Stream file, string path, ReadOnlySpan<byte> header)
    {
        var frame = new byte[FrameHeaderLength + PageLength(header)];
        var bigEndian = (Read(header, 0) & 1) == 1;
        var sum = (Read(header, SumOffset), Read(header, SumOffset + 4));
        var salts = header.Slice(SaltsOffset, 8);
        long? end = null;
        var commits = 0;
        for (long offset = HeaderLength; file.ReadAtLeast(frame, frame.Length, throwOnEndOfStream: false) == frame.Length; offset += frame.Length)
        {
            var own = Page(frame) != 0 && Salts(frame).SequenceEqual(salts);
            if (end is null)
            {
                sum = Add(Add(sum, frame.AsSpan(0, 8), bigEndian), frame.AsSpan(FrameHeaderLength), bigEndian);
                if (own && sum == (Read(frame, 16), Read(frame, 20)))
                {
                    continue;
                }

                end = offset;
            }

            commits += own && IsCommit(frame) ? 1 : 0;
        }

        return commits >= 2 ? new WriteAheadLogDamage(path, end!.Value, commits) : null;
    }

    // A header is smaller than what a disk writes at once, and is synced before its first frame: one that does not verify was damaged. Whether
    // anything follows it is asked of the frames alone.
    private static WriteAheadLogDamage? InspectWithoutHeader(Stream file, string path, int pageLength)
    {
        var frame = new byte[FrameHeaderLength + pageLength];
        var commits = new Dictionary<ulong, int>();
        while (file.ReadAtLeast(frame, frame.Length, throwOnEndOfStream: false) == frame.Length)
        {
            if (Page(frame) != 0 && IsCommit(frame))
            {
                var salts = BinaryPrimitives.ReadUInt64BigEndian(Salts(frame));
                commits[salts] = commits.GetValueOrDefault(salts) + 1;
            }
        }

        var most = commits.Values.DefaultIfEmpty().Max();
        return most >= 2 ? new WriteAheadLogDamage(path, 0, most) : null;
    }

    private static bool IsHeader(ReadOnlySpan<byte> header) =>
        (Read(header, 0) & ~1u) == Magic
        && Read(header, 4) == FormatVersion
        && IsPageLength(Read(header, 8))
        && Add((0, 0), header[..SumOffset], (Read(header, 0) & 1) == 1) == (Read(header, SumOffset), Read(header, SumOffset + 4));

    private static bool IsPageLength(uint length) => length is >= 512 and <= 65536 && uint.IsPow2(length);

    private static int PageLength(ReadOnlySpan<byte> header) => (int)Read(header, 8);

    // Two bytes at offset 16 of the database; 1 stands for 65536.
    private static int StorePageLength(string storePath)
    {
        const int fallback = 4096;
        using var file = File.OpenHandle(storePath, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        Span<byte> bytes = stackalloc byte[2];
        if (RandomAccess.Read(file, bytes, 16) < bytes.Length)
        {
            return fallback;
        }

        uint length = BinaryPrimitives.ReadUInt16BigEndian(bytes);
        length = length == 1 ? 65536 : length;
        return IsPageLength(length) ? (int)length : fallback;
    }

    private static uint Page(ReadOnlySpan<byte> frame) => Read(frame, 0);

    // A commit frame says how many pages the database has after it; others say zero.
    private static bool IsCommit(ReadOnlySpan<byte> frame) => Read(frame, 4) != 0;

    private static ReadOnlySpan<byte> Salts(ReadOnlySpan<byte> frame) => frame.Slice(8, 8);

    private static uint Read(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadUInt32BigEndian(bytes[offset..]);

    // "Checksum Algorithm" of the format: two running sums over pairs of 32-bit words.
    private static (uint First, uint Second) Add((uint First, uint Second) sum, ReadOnlySpan<byte> bytes, bool bigEndian)
    {
        var (first, second) = sum;
        for (; bytes.Length >= 8; bytes = bytes[8..])
        {
            first += second + (bigEndian ? BinaryPrimitives.ReadUInt32BigEndian(bytes) : BinaryPrimitives.ReadUInt32LittleEndian(bytes));
            second += first + (bigEndian ? BinaryPrimitives.ReadUInt32BigEndian(bytes[4..]) : BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]));
        }

        return (first, second);
    }
}
