using KeyService.Crypto;
using KeyService.Crypto.Archives;

namespace KeyService.Tests.Archives;

public sealed class ArchiveRewrapTests : IDisposable
{
    private const int Length = 20_000;
    private readonly string _directory = Directory.CreateTempSubdirectory("ks-rewrap-").FullName;

    private string FilePath => Path.Combine(_directory, "a.ksa");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void Rewrapping_again_and_again_alternates_the_areas_and_leaves_the_payload()
    {
        byte[] before = Sample.Archive(Length);
        File.WriteAllBytes(FilePath, before);
        ArchiveHeader header = ArchiveHeader.Parse(before);
        for (byte seed = 2; seed < 7; seed++)
        {
            ArchiveHeader next = ArchiveRewrap.Replace(FilePath, header, [Sample.Wrapped(seed), Sample.Wrapped(100)]);
            Assert.Equal(header.Sequence + 1, next.Sequence);
            Assert.Equal(1 - header.ActiveArea, next.ActiveArea);
            Assert.Equal([Sample.Wrapped(seed), Sample.Wrapped(100)], next.WrappedDataKeys.Select(slot => slot.ToArray()));
            Assert.Equal(0, next.DamagedSlotAreas);
            byte[] after = File.ReadAllBytes(FilePath);
            Assert.Equal(before[Sample.HeaderLength..], after[Sample.HeaderLength..]);
            Assert.Equal(before[..4096], after[..4096]);
            header = next;
        }
    }

    [Fact]
    public void The_data_key_is_proven_before_anything_is_written()
    {
        byte[] before = Sample.Archive(Length);
        File.WriteAllBytes(FilePath, before);
        using SecretBuffer other = Sample.DataKey(first: 9);
        ArchiveException e = Assert.Throws<ArchiveException>(
            () => ArchiveRewrap.Replace(FilePath, ArchiveHeader.Parse(before), [Sample.Wrapped(2)], other));
        Assert.Equal(ArchiveFault.VerificationFailed, e.Fault);
        Assert.Equal(before, File.ReadAllBytes(FilePath));
        using SecretBuffer key = Sample.DataKey();
        Assert.Equal(3UL, ArchiveRewrap.Replace(FilePath, ArchiveHeader.Parse(before), [Sample.Wrapped(2)], key).Sequence);
    }

    [Fact]
    public void A_header_that_changed_meanwhile_is_not_overwritten()
    {
        File.WriteAllBytes(FilePath, Sample.Archive(Length));
        ArchiveHeader read = ArchiveHeader.Parse(File.ReadAllBytes(FilePath));
        ArchiveRewrap.Replace(FilePath, read, [Sample.Wrapped(2)]);
        byte[] before = File.ReadAllBytes(FilePath);
        ArchiveException e = Assert.Throws<ArchiveException>(() => ArchiveRewrap.Replace(FilePath, read, [Sample.Wrapped(3)]));
        Assert.Equal(ArchiveFault.HeaderChanged, e.Fault);
        Assert.Equal("The archive's header changed since it was read: read it again.", e.Message);
        Assert.Equal(before, File.ReadAllBytes(FilePath));
    }

    [Fact]
    public void Rewrapping_repairs_a_torn_area()
    {
        byte[] archive = Sample.Archive(Length);
        archive.AsSpan(4096, 100).Fill(0xEE);
        File.WriteAllBytes(FilePath, archive);
        ArchiveHeader header = ArchiveHeader.Parse(archive);
        Assert.Equal((1, 1UL), (header.DamagedSlotAreas, header.Sequence));
        ArchiveHeader next = ArchiveRewrap.Replace(FilePath, header, [Sample.Wrapped(2)]);
        Assert.Equal((0, 2UL), (next.DamagedSlotAreas, next.Sequence));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_crash_at_every_byte_of_the_write_leaves_an_archive_that_opens(int rewrapsBefore)
    {
        byte[] archive = Rewrapped(Sample.Archive(Length), rewrapsBefore);
        ArchiveHeader old = ArchiveHeader.Parse(archive);
        using SecretBuffer key = Sample.DataKey();
        int newOnes = 0;
        for (int written = 0; written <= 4096; written++)
        {
            byte[] disk = [.. archive];
            using (var file = new TornStream(disk, written))
            {
                Exception? crash = Record.Exception(() => ArchiveRewrap.WriteStaleArea(file, old, [Sample.Wrapped(77)]));
                Assert.Equal(written < 4096, crash is IOException);
            }

            ArchiveHeader found = ArchiveHeader.Parse(disk);
            byte[] slot = Assert.Single(found.WrappedDataKeys).ToArray();
            bool isNew = slot.AsSpan().SequenceEqual(Sample.Wrapped(77));
            Assert.True(isNew || slot.AsSpan().SequenceEqual(old.WrappedDataKeys[0].Span), $"after {written} bytes neither the old nor the new key is there");
            Assert.True(isNew == (written == 4096), $"after {written} bytes");
            newOnes += isNew ? 1 : 0;
            Assert.Equal(archive[Sample.HeaderLength..], disk[Sample.HeaderLength..]);
            if (written % 512 == 0)
            {
                Opened opened = await OpenPaths.Open("stream, 1 worker", disk, key);
                Assert.Equal((null, Length), (opened.Fault, opened.Content.Length));
            }
        }

        Assert.Equal(1, newOnes);
    }

    [Fact]
    public void Sectors_of_the_write_that_reach_the_disk_in_any_combination_leave_an_archive_that_opens()
    {
        byte[] archive = Rewrapped(Sample.Archive(Length), 1);
        ArchiveHeader old = ArchiveHeader.Parse(archive);
        byte[] after = [.. archive];
        using (var file = new MemoryStream(after))
        {
            ArchiveRewrap.WriteStaleArea(file, old, [Sample.Wrapped(77)]);
        }

        int area = Sample.HeaderLength - 8192 + (4096 * (1 - old.ActiveArea));
        for (int sectors = 0; sectors < 256; sectors++)
        {
            byte[] disk = [.. archive];
            for (int i = 0; i < 8; i++)
            {
                if ((sectors >> i & 1) == 1)
                {
                    after.AsSpan(area + (i * 512), 512).CopyTo(disk.AsSpan(area + (i * 512)));
                }
            }

            byte[] slot = Assert.Single(ArchiveHeader.Parse(disk).WrappedDataKeys).ToArray();
            Assert.True(slot.AsSpan().SequenceEqual(Sample.Wrapped(77)) || slot.AsSpan().SequenceEqual(old.WrappedDataKeys[0].Span));
        }
    }

    [Fact]
    public void Nothing_that_a_disk_does_to_the_written_sector_hides_the_other_area()
    {
        byte[] archive = Rewrapped(Sample.Archive(Length), 1);
        ArchiveHeader old = ArchiveHeader.Parse(archive);
        int sector = 4096 + (4096 * (1 - old.ActiveArea));
        Assert.Equal(0, sector % 4096);
        var random = new Random(1);
        for (int i = 0; i < 200; i++)
        {
            random.NextBytes(archive.AsSpan(sector, 4096));
            Assert.Equal(old.Sequence, ArchiveHeader.Parse(archive).Sequence);
        }
    }

    private static byte[] Rewrapped(byte[] archive, int times)
    {
        using var file = new MemoryStream(archive);
        for (int i = 0; i < times; i++)
        {
            ArchiveRewrap.WriteStaleArea(file, ArchiveHeader.Parse(archive), [Sample.Wrapped((byte)(50 + i))]);
        }

        return archive;
    }

    /// <summary>A file on a machine that stops after so many written bytes.</summary>
    private sealed class TornStream(byte[] disk, int bytes) : MemoryStream(disk)
    {
        private int _left = bytes;

        public override void Write(byte[] buffer, int offset, int count)
        {
            base.Write(buffer, offset, Math.Min(_left, count));
            if (_left < count)
            {
                throw new IOException("power cut");
            }

            _left -= count;
        }
    }
}
