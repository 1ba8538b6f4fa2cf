using KeyService.Crypto;
using KeyService.Crypto.Archives;

namespace KeyService.Tests.Archives;

public sealed class ArchiveHeaderTests
{
    [Fact]
    public void Frozen_numbers_are_what_they_were()
    {
        Assert.Equal(
            ["Empty=1", "NotAnArchive=2", "UnsupportedVersion=3", "Truncated=4", "Damaged=5", "VerificationFailed=6", "TooLong=7", "HeaderChanged=8", "OtherContext=9"],
            Enum.GetValues<ArchiveFault>().Select(fault => $"{fault}={(int)fault}"));
    }

    [Theory]
    [InlineData("\n")]
    [InlineData("esc\u001b[2J")]
    [InlineData("\u0085")]
    [InlineData("\u007f")]
    [InlineData("\uFFFD")]
    [InlineData("\0")]
    public void A_content_name_that_could_harm_a_terminal_is_refused(string name)
    {
        Assert.Throws<ArgumentException>(() => ArchiveHeader.Create(new byte[16], Sample.Context, name, Sample.Wrapped(1)));
    }

    [Fact]
    public void A_content_name_of_half_a_character_is_refused()
    {
        string name = new('\uD800', 1);
        Assert.Throws<ArgumentException>(() => ArchiveHeader.Create(new byte[16], Sample.Context, name, Sample.Wrapped(1)));
    }

    [Theory]
    [InlineData(255, true)]
    [InlineData(256, false)]
    public void A_content_name_has_at_most_255_bytes(int length, bool allowed)
    {
        string name = new('n', length);
        Assert.Equal(allowed, Record.Exception(() => ArchiveHeader.Create(new byte[16], Sample.Context, name, Sample.Wrapped(1))) is null);
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(1, true)]
    [InlineData(16, true)]
    [InlineData(17, false)]
    public void A_header_holds_1_to_16_wrapped_keys(int count, bool allowed)
    {
        ReadOnlyMemory<byte>[] keys = [.. Enumerable.Range(1, count).Select(i => (ReadOnlyMemory<byte>)Sample.Wrapped((byte)i))];
        Assert.Equal(allowed, Record.Exception(() => ArchiveHeader.Create(new byte[16], Sample.Context, "", keys)) is null);
    }

    [Fact]
    public void A_key_that_is_not_wrapped_is_refused()
    {
        Assert.Throws<ArgumentException>(() => ArchiveHeader.Create(new byte[16], Sample.Context, "", new byte[69]));
        Assert.Throws<ArgumentException>(() => ArchiveHeader.Create(new byte[16], Sample.Context, "", new byte[32]));
        Assert.Throws<ArgumentException>(() => ArchiveHeader.Create(new byte[15], Sample.Context, "", Sample.Wrapped(1)));
    }

    [Fact]
    public void A_foreign_file_is_known_by_its_first_byte()
    {
        ArchiveException e = Assert.Throws<ArchiveException>(() => new ArchiveHeaderReader().Write("%PDF-1.7"u8));
        Assert.Equal(ArchiveFault.NotAnArchive, e.Fault);
        Assert.Throws<ArchiveException>(() => new ArchiveHeaderReader().Write("k"u8));
    }

    [Fact]
    public void A_lying_length_is_refused_before_anything_of_that_length_is_held()
    {
        byte[] start = Sample.Header().ToArray()[..28];
        start[24] = 0xFF;
        Assert.Equal(ArchiveFault.Damaged, Assert.Throws<ArchiveException>(() => new ArchiveHeaderReader().Write(start)).Fault);
    }

    [Fact]
    public void The_header_reader_leaves_the_payload_alone()
    {
        byte[] archive = Sample.Archive(100);
        var reader = new ArchiveHeaderReader();
        Assert.Equal(Sample.HeaderLength, reader.Write(archive));
        Assert.Equal(Sample.HeaderLength, reader.Header!.Length);
        Assert.Equal(0, reader.Write(archive));
    }

    [Fact]
    public void Exceptions_say_nothing_of_content_name_and_context()
    {
        byte[] archive = Sample.Archive(10);
        archive[8] ^= 1;
        ArchiveException e = Assert.Throws<ArchiveException>(() => ArchiveHeader.Parse(archive));
        Assert.DoesNotContain("dump.sql", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("ehr", e.Message, StringComparison.Ordinal);
    }
}
