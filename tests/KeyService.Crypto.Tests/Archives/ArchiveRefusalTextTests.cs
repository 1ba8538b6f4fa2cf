using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Crypto.Archives;

namespace KeyService.Tests.Archives;

/// <summary>What a person reads when an archive is refused: each rule is named, by every way of reading.</summary>
public sealed class ArchiveRefusalTextTests
{
    private const int Area = 4096;

    [Theory]
    [InlineData("", ArchiveFault.Empty, "The archive is empty: 0 bytes.")]
    [InlineData("KSARCH0", ArchiveFault.Truncated, "The archive is truncated: it ends inside its header.")]
    [InlineData("KSARCH01", ArchiveFault.Truncated, "The archive is truncated: it ends inside its header.")]
    [InlineData("PK", ArchiveFault.NotAnArchive, "This is not a KeyService archive.")]
    [InlineData("KSARCX01", ArchiveFault.NotAnArchive, "This is not a KeyService archive.")]
    [InlineData("KSARCH1", ArchiveFault.UnsupportedVersion, "This archive has a format version that this program does not know.")]
    [InlineData("KSARCH02", ArchiveFault.UnsupportedVersion, "This archive has a format version that this program does not know.")]
    public async Task What_begins_wrongly_is_named(string start, ArchiveFault fault, string text)
    {
        byte[] bytes = System.Text.Encoding.ASCII.GetBytes(start);
        ArchiveException whole = Assert.Throws<ArchiveException>(() => ArchiveHeader.Parse(bytes));
        ArchiveException streamed = await Assert.ThrowsAsync<ArchiveException>(() => ArchiveDecryptor.ReadHeaderAsync(new MemoryStream(bytes)));
        ArchiveException pushed = Assert.Throws<ArchiveException>(() =>
        {
            var reader = new ArchiveHeaderReader();
            foreach (byte one in bytes)
            {
                Assert.Equal(1, reader.Write([one]));
            }
            reader.Finish();
        });
        Assert.All([whole, streamed, pushed], e => Assert.Equal((fault, text), (e.Fault, e.Message)));
    }

    public static TheoryData<string, string> DamagedHeaders => new()
    {
        { "context length", "a length is out of range" },
        { "name length", "a length is out of range" },
        { "context", "its context is not in canonical form" },
        { "name", "its content name breaks a rule" },
        { "padding", "its padding is not zero" },
        { "both areas", "neither slot area is whole" },
        { "one sequence number twice", "both slot areas carry one sequence number" },
    };

    [Theory]
    [MemberData(nameof(DamagedHeaders))]
    public void Each_rule_of_the_header_is_named(string what, string rule)
    {
        byte[] header = Sample.Header().ToArray();
        int name = 28 + Sample.Context.Encoded.Length;
        switch (what)
        {
            case "context length":
                BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(24), EncryptionContext.MaxEncodedLength + 1);
                break;
            case "name length":
                BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(26), ArchiveFormat.MaxContentNameLength + 1);
                break;
            case "context":
                header[29] = 0xFF;
                break;
            case "name":
                header[name] = 0x07;
                break;
            case "padding":
                header[Area - 1] = 1;
                break;
            case "both areas":
                header[Area] ^= 1;
                header[2 * Area] ^= 1;
                break;
            default:
                header.AsSpan(Area, Area).CopyTo(header.AsSpan(2 * Area));
                break;
        }
        ArchiveException e = Assert.Throws<ArchiveException>(() => ArchiveHeader.Parse(header));
        Assert.Equal((ArchiveFault.Damaged, $"The archive's header is damaged: {rule}."), (e.Fault, e.Message));
    }

    [Fact]
    public void The_longest_lengths_are_no_damage_by_themselves()
    {
        byte[] start = Sample.Header().ToArray()[..28];
        BinaryPrimitives.WriteUInt16BigEndian(start.AsSpan(24), EncryptionContext.MaxEncodedLength);
        BinaryPrimitives.WriteUInt16BigEndian(start.AsSpan(26), ArchiveFormat.MaxContentNameLength);
        Assert.True(ArchiveHeader.TryGetLength(start, out int length));
        Assert.Equal(ArchiveFormat.MaxHeaderLength, length);
        Assert.False(ArchiveHeader.TryGetLength(start.AsSpan(0, 27), out length));
        Assert.Equal(0, length);
    }

    // Areas whose hash is right and whose content breaks one rule: the other area is in force.
    [Theory]
    [InlineData(0, 0)]
    [InlineData(8, 0)]
    [InlineData(8, 17)]
    [InlineData(9, 2)]
    [InlineData(9 + 69, 1)]
    [InlineData(4096 - 33, 1)]
    public void A_slot_area_that_breaks_a_rule_is_damaged_even_with_a_right_hash(int at, byte value)
    {
        byte[] header = Sample.Header().ToArray();
        Span<byte> area = header.AsSpan(Area, Area);
        if (at == 0)
        {
            area[..8].Clear();
        }
        else
        {
            area[at] = value;
        }
        SHA256.HashData((byte[])[.. header.AsSpan(0, Area), .. area[..^32]], area[^32..]);
        ArchiveHeader parsed = ArchiveHeader.Parse(header);
        Assert.Equal((1, 1, 1UL), (parsed.DamagedSlotAreas, parsed.ActiveArea, parsed.Sequence));
        Assert.Equal(header, parsed.ToArray());
    }

    [Fact]
    public void A_sequence_number_that_is_used_up_is_refused()
    {
        ArchiveHeader header = Sample.Header();
        byte[] bytes = header.ToArray();
        Span<byte> area = bytes.AsSpan(Area, Area);
        area[..8].Fill(0xFF);
        SHA256.HashData((byte[])[.. bytes.AsSpan(0, Area), .. area[..^32]], area[^32..]);
        ArchiveHeader last = ArchiveHeader.Parse(bytes);
        Assert.Equal(ulong.MaxValue, last.Sequence);
        ArchiveException e = Assert.Throws<ArchiveException>(() => last.WithSlots([Sample.Wrapped(3)]));
        Assert.Equal((ArchiveFault.Damaged, "The archive's header is damaged: its sequence number is used up."), (e.Fault, e.Message));
    }

    [Fact]
    public void Names_ids_and_keys_that_make_no_header_are_told_what_is_wrong()
    {
        Assert.Equal("An archive id has 16 bytes. (Parameter 'archiveId')", Misuse(() => ArchiveHeader.Create(new byte[17], Sample.Context, "", Sample.Wrapped(1))));
        Assert.Equal("The content name is longer than 255 bytes of UTF-8. (Parameter 'name')", Misuse(() => Create(new string('ä', 128))));
        Assert.Equal("The content name holds an unpaired surrogate. (Parameter 'name')", Misuse(() => Create("\uDC00")));
        Assert.Equal("The content name holds a control character or U+FFFD. (Parameter 'name')", Misuse(() => Create("a\tb")));
        Assert.Equal("An archive holds 1 to 16 wrapped data keys. (Parameter 'wrappedDataKeys')", Misuse(() => ArchiveHeader.Create(new byte[16], Sample.Context, "", [])));
        Assert.Equal(
            "A wrapped data key is not of the format that this version knows. (Parameter 'wrappedDataKeys')", Misuse(() => ArchiveHeader.Create(new byte[16], Sample.Context, "", new byte[69])));
        Assert.Equal(16, ArchiveHeader.NewArchiveId().Length);
        Assert.NotEqual(ArchiveHeader.NewArchiveId(), ArchiveHeader.NewArchiveId());

        static ArchiveHeader Create(string name) => ArchiveHeader.Create(new byte[16], Sample.Context, name, Sample.Wrapped(1));
    }

    [Fact]
    public void A_payload_that_ends_or_does_not_verify_is_named_and_says_no_more()
    {
        byte[] archive = Sample.Archive(100);
        Assert.Equal("The archive is truncated: it ends inside its payload.", Refused(archive[..(Sample.ChunksAt + 15)]));
        Assert.Equal("The archive is truncated: it ends inside its payload.", Refused(archive[..(Sample.HeaderLength + 5)]));
        archive[^1] ^= 1;
        const string NotVerified = "The archive does not verify: it was damaged or changed, or it was made with another key or context.";
        Assert.Equal(NotVerified, Refused(archive));
        archive[Sample.HeaderLength] ^= 1;
        Assert.Equal(NotVerified, Refused(archive));
    }

    private static string Refused(byte[] archive)
    {
        using SecretBuffer key = Sample.DataKey();
        ArchiveHeader header = ArchiveHeader.Parse(archive);
        string pushed = Assert.Throws<ArchiveException>(() =>
        {
            using var decryptor = new ChunkDecryptor(header, key);
            var output = new ArrayBufferWriter<byte>();
            decryptor.Write(archive.AsSpan(header.Length), output);
            decryptor.Finish(output);
        }).Message;
        using var payload = new MemoryStream(archive, header.Length, archive.Length - header.Length);
        Assert.Equal(pushed, Assert.Throws<ArchiveException>(() => ArchiveReadStream.Open(payload, header, key)).Message);
        Assert.Equal(pushed, Assert.Throws<ArchiveException>(() => ArchiveRangeReader.Open(new MemoryStream(archive), header, key)).Message);
        return pushed;
    }

    private static string Misuse(Func<object> action) => Assert.Throws<ArgumentException>(action).Message;
}
