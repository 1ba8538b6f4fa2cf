using System.Buffers;
using KeyService.Crypto;
using KeyService.Crypto.Archives;

namespace KeyService.Tests.Archives;

/// <summary>Every bit and every length of small archives. Left out of a mutation run, where each of them would run a thousand times.</summary>
public sealed class DamageExhaustiveTests
{
    [Fact]
    public void Every_shorter_length_of_a_small_archive_is_refused_and_nothing_is_released()
    {
        byte[] archive = Sample.Archive(100);
        using SecretBuffer key = Sample.DataKey();
        for (int length = 0; length < archive.Length; length++)
        {
            Opened opened = Push(archive.AsSpan(0, length), key);
            ArchiveFault expected = length == 0 ? ArchiveFault.Empty
                : length < Sample.ChunksAt + 16 ? ArchiveFault.Truncated
                : ArchiveFault.VerificationFailed;
            Assert.True(opened.Fault == expected, $"{length} bytes: {opened.Fault}");
            Assert.Empty(opened.Content);
        }
    }

    [Fact]
    public void Every_shorter_length_of_an_archive_of_two_chunks_is_refused_and_only_its_first_chunk_can_come()
    {
        byte[] archive = Sample.Archive(16_384 + 20);
        using SecretBuffer key = Sample.DataKey();
        for (int length = Sample.ChunksAt; length < archive.Length; length++)
        {
            Opened opened = Push(archive.AsSpan(0, length), key);
            Assert.NotNull(opened.Fault);
            Assert.True(opened.Content.Length == (length >= Sample.ChunksAt + ArchiveFormat.SealedChunkLength ? ArchiveFormat.ChunkLength : 0), $"{length} bytes");
        }
    }

    [Fact]
    public void Every_flipped_bit_of_a_small_archive_is_refused_or_stands_in_one_of_the_two_slot_areas()
    {
        byte[] archive = Sample.Archive(100);
        using SecretBuffer key = Sample.DataKey();
        byte[] content = Sample.Plaintext(100);
        for (int bit = 0; bit < archive.Length * 8; bit++)
        {
            archive[bit / 8] ^= (byte)(1 << (bit % 8));
            Opened opened = Push(archive, key);
            bool inSlotArea = bit / 8 is >= 4096 and < Sample.HeaderLength;
            Assert.True(inSlotArea ? opened.Fault is null && opened.Content.AsSpan().SequenceEqual(content) : opened.Fault is not null && opened.Content.Length == 0, $"bit {bit}");
            archive[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }

    [Fact]
    public async Task Damage_is_refused_on_every_path_and_only_what_verified_was_released()
    {
        const int Length = (3 * 1024 * 1024) + 5;
        byte[] whole = Sample.Archive(Length);
        byte[] content = Sample.Plaintext(Length);
        const int Sealed = ArchiveFormat.SealedChunkLength;
        using SecretBuffer key = Sample.DataKey();
        var damages = new Dictionary<string, byte[]>
        {
            ["first chunk"] = Flip(whole, Sample.ChunksAt + 3),
            ["a chunk in the middle"] = Flip(whole, Sample.ChunksAt + (100 * Sealed)),
            ["last tag"] = Flip(whole, whole.Length - 1),
            ["last chunk missing"] = whole[..^21],
            ["one segment missing"] = whole[..(Sample.ChunksAt + (64 * Sealed))],
            ["half a segment missing"] = whole[..(Sample.ChunksAt + (96 * Sealed))],
            ["a byte appended"] = [.. whole, 0],
            ["a chunk repeated at the end"] = [.. whole, .. whole[^21..]],
            ["a chunk left out"] = [.. whole[..(Sample.ChunksAt + Sealed)], .. whole[(Sample.ChunksAt + (2 * Sealed))..]],
            ["two chunks swapped"] = Swap(whole, Sample.ChunksAt + (70 * Sealed), Sample.ChunksAt + (71 * Sealed), Sealed),
            ["two segments swapped"] = Swap(whole, Sample.ChunksAt, Sample.ChunksAt + (64 * Sealed), 64 * Sealed),
        };
        foreach ((string damage, byte[] archive) in damages)
        {
            foreach (string path in OpenPaths.NameList.Where(path => path != "push, 1 byte"))
            {
                Opened opened = await OpenPaths.Open(path, archive, key);
                Assert.True(opened.Fault is ArchiveFault.VerificationFailed or ArchiveFault.Truncated, $"{damage}, {path}: {opened.Fault}");
                Assert.True(content.AsSpan().StartsWith(opened.Content), $"{damage}, {path}: released what did not verify");
            }
        }
    }

    private static Opened Push(ReadOnlySpan<byte> archive, SecretBuffer key)
    {
        var output = new ArrayBufferWriter<byte>(20_000);
        try
        {
            var reader = new ArchiveHeaderReader();
            int taken = reader.Write(archive);
            using var decryptor = new ChunkDecryptor(reader.Finish(), key);
            decryptor.Write(archive[taken..], output);
            decryptor.Finish(output);
            return new Opened(output.WrittenSpan.ToArray(), null);
        }
        catch (ArchiveException e)
        {
            return new Opened(output.WrittenSpan.ToArray(), e.Fault);
        }
    }

    private static byte[] Flip(byte[] archive, int at)
    {
        byte[] damaged = [.. archive];
        damaged[at] ^= 0x10;
        return damaged;
    }

    private static byte[] Swap(byte[] archive, int a, int b, int length)
    {
        byte[] swapped = [.. archive];
        archive.AsSpan(a, length).CopyTo(swapped.AsSpan(b));
        archive.AsSpan(b, length).CopyTo(swapped.AsSpan(a));
        return swapped;
    }
}
