using System.Buffers;
using System.Buffers.Binary;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using KeyService.Crypto;
using KeyService.Crypto.Archives;
using KeyService.Fuzz.Engine;
using static KeyService.Fuzz.Engine.BrokenPropertyException;

namespace KeyService.Fuzz.Targets;

/// <summary>docs/spec/archive.md: header, slot area, content name, and whole archives under a known data key.</summary>
internal static class ArchiveTargets
{
    private const int Area = ArchiveFormat.SectorLength;

    private static readonly byte[] KnownKey = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];
    private static readonly byte[] SlotFixedPart = new byte[Area];
    private static readonly byte[][] Words = ["KSARCH01"u8.ToArray(), "KSARCH02"u8.ToArray(), "KSARCH"u8.ToArray(), [0, 0], [0x10, 0x00], [0x10, 0x01], [0, 0xFF], [1, 0], new byte[64]];

    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        new("archive-header", [typeof(ArchiveHeader), typeof(ArchiveHeaderReader)], Header)
        {
            MaxLength = 20_000, Weight = 0.3, Words = Words, Repair = RepairAreas, Verdict = HeaderVerdict, Seeds = HeaderSeeds,
        },
        new("slot-area", [typeof(SlotArea)], Slots)
        {
            MaxLength = Area, Words = [[0, 0, 0, 0, 0, 0, 0, 0], [1], [16], [17], [0xFF]], Repair = input => RepairArea(SlotFixedPart, input, 0), Seeds = SlotSeeds,
        },
        new("content-name", [typeof(ContentNameRule)], ContentName)
        {
            MaxLength = 300, Seeds = () => VectorSeeds.Texts("", "dump.sql", "Befunde ä", "💉", new string('n', 255), new string('n', 256), "a\tb", "\u0085", "\uFFFD", "\u202Egpj"),
        },
        new("archive", [typeof(ArchiveDecryptor), typeof(ChunkDecryptor), typeof(ArchiveRangeReader)], Whole)
        {
            MaxLength = 60_000, Weight = 0.03, AllocatedAtMost = 1 << 22, Words = Words, Repair = RepairAreas, Verdict = WholeVerdict, Seeds = WholeSeeds,
        },
    ];

    private static Outcome Header(byte[] input)
    {
        ArchiveHeader? whole = Try(() => ArchiveHeader.Parse(input), out ArchiveException? fault);
        ArchiveHeader? pieces = Try(() => InPieces(input), out ArchiveException? otherFault);
        Unless(fault?.Fault == otherFault?.Fault, "pieces of any size give the same fault as the whole");
        if (whole is null)
        {
            return Outcome.Refused(fault!);
        }
        UnlessSame(input.AsSpan(0, whole.Length), whole.ToArray(), "what parses is written again, byte for byte");
        UnlessSame(whole.ToArray(), pieces!.ToArray(), "pieces of any size give the same header");
        ArchiveHeader made = ArchiveHeader.Create(whole.ArchiveId.Span, whole.Context, whole.ContentName, whole.WrappedDataKeys);
        UnlessSame(made.ToArray().AsSpan(0, made.Length - (2 * Area)), input.AsSpan(0, whole.Length - (2 * Area)), "its parts make the same fixed part");
        if (whole.Sequence < ulong.MaxValue)
        {
            ArchiveHeader next = ArchiveHeader.Parse(whole.WithSlots(whole.WrappedDataKeys).ToArray());
            Unless(next.Sequence == whole.Sequence + 1, "a re-wrapped header is in force with the next number");
        }
        return Outcome.Taken((whole.DamagedSlotAreas * 1024) + (whole.WrappedDataKeys.Count * 32) + whole.Context.Pairs.Count);
    }

    private static ArchiveHeader InPieces(byte[] input)
    {
        var reader = new ArchiveHeaderReader();
        int size;
        for (int at = 0; at < input.Length && reader.Header is null; at += size)
        {
            // The first bytes one by one: each could be the last of a piece.
            size = at < 32 ? 1 : 1 + (input.Length % 997);
            reader.Write(input.AsSpan(at, Math.Min(size, input.Length - at)));
        }
        return reader.Finish();
    }

    private static string HeaderVerdict(byte[] input)
    {
        ArchiveHeader? header = Try(() => ArchiveHeader.Parse(input), out ArchiveException? fault);
        return header is null ? $"no {fault!.Fault}" : $"ok {Convert.ToHexStringLower(SHA256.HashData(header.ToArray()))}";
    }

    private static Outcome Slots(byte[] input)
    {
        // The area's length is the header's to check; shorter ones do not reach this parser.
        byte[] area = new byte[SlotArea.Length];
        input.AsSpan(0, Math.Min(input.Length, area.Length)).CopyTo(area);
        if (SlotArea.TryParse(SlotFixedPart, area) is not { } parsed)
        {
            return Outcome.Refused(area[8]);
        }
        byte[] again = new byte[SlotArea.Length];
        parsed.Write(SlotFixedPart, again);
        UnlessSame(area, again, "what parses is written again, byte for byte");
        parsed = SlotArea.Create(parsed.Sequence, parsed.Slots);
        parsed.Write(SlotFixedPart, again);
        UnlessSame(area, again, "its parts make the same bytes");
        return Outcome.Taken(parsed.Slots.Count);
    }

    private static Outcome ContentName(byte[] input)
    {
        if (!ContentNameRule.TryDecode(input, out string name))
        {
            return Outcome.Refused(Outcome.Step(input.Length));
        }
        UnlessSame(input, ContentNameRule.Encode(name), "what parses is written again, byte for byte");
        return Outcome.Taken(Outcome.Step(input.Length));
    }

    private static Outcome Whole(byte[] input)
    {
        using SecretBuffer key = SecretBuffer.CopyOf(KnownKey);
        using var streamed = new MemoryStream();
        Try(() => Stream(input, key, streamed), out ArchiveException? streamFault);
        var pushed = new ArrayBufferWriter<byte>();
        Try(() => Push(input, key, pushed), out ArchiveException? pushFault);
        // Which of two faults is met first may differ: a segment is looked at as a whole.
        Unless(streamFault is null == pushFault is null, "stream and push take and refuse alike");
        Unless(streamFault is not null || pushed.WrittenSpan.SequenceEqual(streamed.ToArray()), "stream and push give the same content");
        Unless(pushed.WrittenSpan.SequenceEqual(Content(pushed.WrittenCount)), "nothing is released that was not sealed under the key");
        Unless(streamed.ToArray().AsSpan().SequenceEqual(Content((int)streamed.Length)), "nothing is released that was not sealed under the key (stream)");
        Try(() => Ranges(input, key, pushed.WrittenSpan.ToArray()), out ArchiveException? rangeFault);
        Unless(rangeFault is null == pushFault is null, "the reader of ranges takes and refuses what the others do");
        if (pushFault is not null)
        {
            return Outcome.Refused(((int)pushFault.Fault * 8) + Outcome.Step(pushed.WrittenCount / ArchiveFormat.ChunkLength));
        }
        UnlessSame(input, Seal(ArchiveHeader.Parse(input), input, key, pushed.WrittenSpan), "what opens is sealed again to the same bytes");
        return Outcome.Taken(Outcome.Step(pushed.WrittenCount));
    }

    private static string WholeVerdict(byte[] input)
    {
        using SecretBuffer key = SecretBuffer.CopyOf(KnownKey);
        var content = new ArrayBufferWriter<byte>();
        return Try(() => Push(input, key, content), out ArchiveException? fault) ? $"ok {Convert.ToHexStringLower(SHA256.HashData(content.WrittenSpan))}" : $"no {fault!.Fault}";
    }

    private static bool Stream(byte[] input, SecretBuffer key, MemoryStream output)
    {
        using var archive = new Pipe(input);
        ArchiveHeader header = ArchiveDecryptor.ReadHeaderAsync(archive).GetAwaiter().GetResult();
        ArchiveDecryptor.DecryptAsync(archive, header, key, output, new ArchiveOptions { Workers = 1 }).GetAwaiter().GetResult();
        return true;
    }

    /// <summary>A stream that cannot seek: where one can, the end is proven before anything is written; the reader of ranges does that too.</summary>
    private sealed class Pipe(byte[] bytes) : MemoryStream(bytes)
    {
        public override bool CanSeek => false;
    }

    private static bool Push(byte[] input, SecretBuffer key, ArrayBufferWriter<byte> output)
    {
        var reader = new ArchiveHeaderReader();
        int taken = reader.Write(input);
        using var decryptor = new ChunkDecryptor(reader.Finish(), key);
        int size = 1 + (input.Length % 4099);
        for (int at = taken; at < input.Length; at += size)
        {
            decryptor.Write(input.AsSpan(at, Math.Min(size, input.Length - at)), output);
        }
        decryptor.Finish(output);
        return true;
    }

    // Opening proves the end only: a chunk in the middle is refused when it is read.
    private static bool Ranges(byte[] input, SecretBuffer key, byte[] content)
    {
        using var archive = new MemoryStream(input);
        using ArchiveRangeReader reader = ArchiveRangeReader.Open(archive, ArchiveHeader.Parse(input), key);
        byte[] all = new byte[reader.Length];
        Unless(reader.ReadAt(0, all) == all.Length && all.AsSpan().SequenceEqual(content), "ranges give the same content");
        return true;
    }

    private static byte[] Seal(ArchiveHeader header, byte[] archive, SecretBuffer key, ReadOnlySpan<byte> content)
    {
        var output = new ArrayBufferWriter<byte>();
        using var encryptor = new ChunkEncryptor(header.ToArray(), key, archive.AsSpan(header.Length, ArchiveFormat.SaltLength).ToArray(), header.MessageContext());
        encryptor.Write(content, output);
        encryptor.Finish(output);
        return output.WrittenSpan.ToArray();
    }

    private static T? Try<T>(Func<T> action, out ArchiveException? fault)
    {
        fault = null;
        try
        {
            return action();
        }
        catch (ArchiveException e)
        {
            fault = e;
            return default;
        }
    }

    private static void RepairAreas(byte[] input)
    {
        if (input.Length >= 28)
        {
            int used = 28 + BinaryPrimitives.ReadUInt16BigEndian(input.AsSpan(24)) + BinaryPrimitives.ReadUInt16BigEndian(input.AsSpan(26));
            int fixedLength = (used + Area - 1) / Area * Area;
            if (fixedLength + (2 * Area) <= input.Length)
            {
                RepairArea(input.AsSpan(0, fixedLength), input, fixedLength);
                RepairArea(input.AsSpan(0, fixedLength), input, fixedLength + Area);
            }
        }
    }

    private static void RepairArea(ReadOnlySpan<byte> fixedPart, byte[] input, int at)
    {
        if (input.Length - at >= Area)
        {
            SHA256.HashData((byte[])[.. fixedPart, .. input.AsSpan(at, Area - 32)], input.AsSpan(at + Area - 32, 32));
        }
    }

    private static IEnumerable<(string Name, byte[] Input)> HeaderSeeds()
    {
        string[] chosen = ["empty", "no-context", "long-fixed-part", "sixteen-slots", "rewrapped-twice", "torn-rewrap", "lost-first-area"];
        foreach (JsonNode? vector in VectorSeeds.Load("archive")["positive"]!.AsArray().Where(vector => chosen.Contains(vector!["name"]!.GetValue<string>())))
        {
            using var zlib = new ZLibStream(new MemoryStream(Convert.FromBase64String(vector!["archiveZlib"]!.GetValue<string>())), CompressionMode.Decompress);
            using var inflated = new MemoryStream();
            zlib.CopyTo(inflated);
            yield return (vector["name"]!.GetValue<string>(), inflated.ToArray()[..vector["headerLength"]!.GetValue<int>()]);
        }
        yield return ("only-magic", "KSARCH01"u8.ToArray());
        yield return ("other-version", "KSARCH02"u8.ToArray());
    }

    private static IEnumerable<(string Name, byte[] Input)> SlotSeeds()
    {
        foreach (int slots in new[] { 1, 2, 16 })
        {
            byte[] area = new byte[SlotArea.Length];
            SlotArea.Create((ulong)slots, [.. Enumerable.Range(0, slots).Select(i => (ReadOnlyMemory<byte>)Slot((byte)i))]).Write(SlotFixedPart, area);
            yield return ($"{slots}", area);
        }
    }

    private static IEnumerable<(string Name, byte[] Input)> WholeSeeds()
    {
        ArchiveHeader header = ArchiveHeader.Create(new byte[ArchiveFormat.ArchiveIdLength], EncryptionContext.Create("tenant", "st-mary"), "dump.sql", [Slot(1)]);
        using SecretBuffer key = SecretBuffer.CopyOf(KnownKey);
        foreach (int length in new[] { 0, 100, ArchiveFormat.ChunkLength, ArchiveFormat.ChunkLength + 300 })
        {
            yield return ($"{length}", Seal(header, [.. header.ToArray(), .. new byte[ArchiveFormat.SaltLength]], key, Content(length)));
        }
    }

    private static byte[] Slot(byte fill) => [WrappedDataKey.Format, .. Enumerable.Repeat((byte)(fill + 1), WrappedDataKey.Length - 1)];

    private static byte[] Content(int length) => [.. Enumerable.Range(0, length).Select(i => (byte)((i * 31) >> 3))];
}
