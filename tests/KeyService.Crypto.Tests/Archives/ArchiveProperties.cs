using System.Buffers;
using FsCheck;
using FsCheck.Fluent;
using KeyService.Crypto;
using KeyService.Crypto.Archives;

namespace KeyService.Tests.Archives;

/// <summary>What holds for any input.</summary>
public sealed class ArchiveProperties
{
    private static readonly Gen<int> Lengths = Gen.OneOf(
        Gen.Choose(0, 300), Gen.Choose(16380, 16390), Gen.Choose(32764, 32772), Gen.Choose(1048570, 1048580), Gen.Choose(0, 200_000));

    [Fact]
    public void Whatever_is_pushed_in_any_pieces_comes_back_from_any_pieces()
    {
        Arbitrary<(int, int[], int[])> cases = Lengths.SelectMany(length => Cuts(length).SelectMany(makes => Cuts(length + 13000).Select(opens => (length, makes, opens))))
            .ToArbitrary();
        Prop.ForAll(cases, sample =>
        {
            (int length, int[] makes, int[] opens) = sample;
            byte[] plaintext = Sample.Plaintext(length);
            using SecretBuffer key = Sample.DataKey();
            using var encryptor = new ChunkEncryptor(Sample.Header(), key);
            var archive = new ArrayBufferWriter<byte>();
            foreach (ReadOnlyMemory<byte> piece in Split(plaintext, makes))
            {
                encryptor.Write(piece.Span, archive);
            }

            encryptor.Finish(archive);
            using var decryptor = new ChunkDecryptor(ArchiveHeader.Parse(archive.WrittenSpan), key);
            var content = new ArrayBufferWriter<byte>();
            foreach (ReadOnlyMemory<byte> piece in Split(archive.WrittenMemory[Sample.HeaderLength..], opens))
            {
                decryptor.Write(piece.Span, content);
            }

            decryptor.Finish(content);
            return content.WrittenSpan.SequenceEqual(plaintext);
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Any_range_is_that_range_of_the_content()
    {
        const int Length = 70_000;
        byte[] archive = Sample.Archive(Length);
        byte[] plaintext = Sample.Plaintext(Length);
        using SecretBuffer key = Sample.DataKey();
        using ArchiveRangeReader reader = ArchiveRangeReader.Open(new MemoryStream(archive), ArchiveHeader.Parse(archive), key);
        Prop.ForAll(Gen.Choose(0, Length + 10).Zip(Gen.Choose(0, 40_000)).ToArbitrary(), range =>
        {
            (int offset, int count) = range;
            byte[] part = new byte[count];
            int read = reader.ReadAt(offset, part);
            ReadOnlySpan<byte> expected = plaintext.AsSpan(Math.Min(offset, Length), Math.Min(count, Math.Max(0, Length - offset)));
            return read == expected.Length && part.AsSpan(0, read).SequenceEqual(expected);
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Bytes_that_parse_serialise_to_themselves_and_others_are_one_exception()
    {
        byte[] header = Sample.Header().ToArray();
        Gen<(int, byte)[]> edits = Gen.OneOf(Gen.Choose(0, 60), Gen.Choose(4090, 4180), Gen.Choose(8180, 8270), Gen.Choose(0, header.Length - 1))
            .Zip(Gen.Choose(0, 255).Select(value => (byte)value)).ArrayOf().Resize(6);
        Prop.ForAll(edits.ToArbitrary(), changes =>
        {
            byte[] bytes = [.. header];
            foreach ((int at, byte value) in changes)
            {
                bytes[at] = value;
            }

            try
            {
                return ArchiveHeader.Parse(bytes).ToArray().AsSpan().SequenceEqual(bytes);
            }
            catch (ArchiveException)
            {
                return true;
            }
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Random_bytes_are_never_an_archive_and_never_another_exception()
    {
        Prop.ForAll<byte[]>(bytes =>
        {
            Assert.Throws<ArchiveException>(() => ArchiveHeader.Parse(bytes));
            Assert.Throws<ArchiveException>(() => ArchiveHeader.Parse([.. "KSARCH01"u8, .. bytes, .. new byte[20_000]]));
        }).QuickCheckThrowOnFailure();
    }

    private static Gen<int[]> Cuts(int length) => Gen.Choose(0, length).ArrayOf().Resize(8).Select(cuts => cuts.Order().ToArray());

    private static IEnumerable<ReadOnlyMemory<byte>> Split(ReadOnlyMemory<byte> bytes, int[] cuts)
    {
        int from = 0;
        foreach (int cut in cuts.Where(cut => cut <= bytes.Length).Append(bytes.Length))
        {
            yield return bytes[from..cut];
            from = cut;
        }
    }
}
