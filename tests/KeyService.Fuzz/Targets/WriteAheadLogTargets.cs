using System.Buffers.Binary;
using KeyService.Fuzz.Engine;
using KeyService.Server.Storage.Sqlite;
using static KeyService.Fuzz.Engine.BrokenPropertyException;

namespace KeyService.Fuzz.Targets;

/// <summary>What a dead server left in its write-ahead log, with the smallest pages SQLite has; seeds are made by a writer of this file's own.</summary>
internal static class WriteAheadLogTargets
{
    private const int HeaderLength = 32, PageLength = 512, FrameLength = 24 + PageLength, Commits = 5;

    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        new("write-ahead-log", [typeof(WriteAheadLog)], Log)
        {
            MaxLength = HeaderLength + (8 * FrameLength),
            Words = [[0, 0, 0, 0], [0, 0, 0, 1], [0x37, 0x7F, 0x06, 0x82], [0x37, 0x7F, 0x06, 0x83], [0, 0, 2, 0]],
            Seeds = Seeds,
        },
    ];

    private static Outcome Log(byte[] input)
    {
        if (WriteAheadLog.Inspect(new MemoryStream(input), "log", PageLength) is not { } damage)
        {
            return Outcome.Refused(Outcome.Step(input.Length));
        }

        Unless(damage.Commits >= 2, "one commit may be torn and is no damage");
        Unless(damage.Offset >= 0 && damage.Offset < input.Length, "damage lies in the log");
        Unless(WriteAheadLog.Inspect(new MemoryStream(input[..(int)damage.Offset]), "log", PageLength) is null, "cut where it is said, the log is an end");
        return Outcome.Taken(damage.Offset == 0 ? 0 : damage.Commits);
    }

    private static IEnumerable<(string Name, byte[] Input)> Seeds()
    {
        var (whole, bigEndian) = (Write(bigEndian: false), Write(bigEndian: true));
        byte[] frame = [.. whole], header = [.. whole], last = [.. whole], other = [.. bigEndian];
        frame[HeaderLength + FrameLength + 100] ^= 1;
        header[9] ^= 1;
        last[^1] ^= 1;
        other[HeaderLength + 10] ^= 1;
        Unless(WriteAheadLog.Inspect(new MemoryStream(whole), "log", PageLength) is null && WriteAheadLog.Inspect(new MemoryStream(bigEndian), "log", PageLength) is null, "a whole log is whole");
        return [("whole", whole), ("big-endian", bigEndian), ("frame", frame), ("header", header), ("last", last), ("salt", other), ("cut", whole[..^100])];
    }

    // SQLite, "WAL-mode File Format".
    private static byte[] Write(bool bigEndian)
    {
        var log = new byte[HeaderLength + (Commits * FrameLength)];
        Span<uint> sum = stackalloc uint[2];
        uint[] header = [bigEndian ? 0x377F0683u : 0x377F0682u, 3007000, PageLength, 7, 0x11223344, 0x55667788];
        for (var i = 0; i < header.Length; i++)
        {
            BinaryPrimitives.WriteUInt32BigEndian(log.AsSpan(4 * i), header[i]);
        }

        Sum(sum, log.AsSpan(0, 24), bigEndian);
        Put(sum, log.AsSpan(24));
        for (var commit = 0; commit < Commits; commit++)
        {
            var frame = log.AsSpan(HeaderLength + (commit * FrameLength), FrameLength);
            BinaryPrimitives.WriteUInt32BigEndian(frame, (uint)commit + 1);
            BinaryPrimitives.WriteUInt32BigEndian(frame[4..], Commits);
            log.AsSpan(16, 8).CopyTo(frame[8..]);
            frame[24..].Fill((byte)(commit + 1));
            Sum(sum, frame[..8], bigEndian);
            Sum(sum, frame[24..], bigEndian);
            Put(sum, frame[16..]);
        }

        return log;
    }

    private static void Sum(Span<uint> sum, ReadOnlySpan<byte> bytes, bool bigEndian)
    {
        for (var i = 0; i < bytes.Length; i += 4)
        {
            var word = bigEndian ? BinaryPrimitives.ReadUInt32BigEndian(bytes[i..]) : BinaryPrimitives.ReadUInt32LittleEndian(bytes[i..]);
            var even = i % 8 == 0 ? 0 : 1;
            sum[even] += word + sum[1 - even];
        }
    }

    private static void Put(ReadOnlySpan<uint> sum, Span<byte> place)
    {
        BinaryPrimitives.WriteUInt32BigEndian(place, sum[0]);
        BinaryPrimitives.WriteUInt32BigEndian(place[4..], sum[1]);
    }
}
