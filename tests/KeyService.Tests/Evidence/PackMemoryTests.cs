using System.Globalization;
using KeyService.Cli.Evidence;
using KeyService.Tests.Logs;

namespace KeyService.Tests.Evidence;

/// <summary>What packs take in memory, measured while nothing else runs in this process.</summary>
[CollectionDefinition(nameof(PackMemoryTests), DisableParallelization = true)]
[Collection(nameof(PackMemoryTests))]
public sealed class PackMemoryTests
{
    // More than 65,535 files take the 64-bit form of a ZIP file.
    private const int Many = 70_000;

    [Fact]
    public void A_pack_of_many_files_is_written_and_read_a_file_at_a_time()
    {
        using var stream = new FileStream(Path.GetTempFileName(), FileMode.Open, FileAccess.ReadWrite, FileShare.None, 1 << 20, FileOptions.DeleteOnClose);
        var written = GC.GetTotalMemory(forceFullCollection: true);
        using (var writer = new PackWriter(stream, DateTimeOffset.UnixEpoch))
        {
            for (var i = 0; i < Many; i++)
            {
                writer.Add(NameOf(i), BitConverter.GetBytes(i));
            }
            written = (GC.GetTotalMemory(forceFullCollection: true) - written) / Many;
        }
        var before = GC.GetTotalMemory(forceFullCollection: true);
        using var files = new PackFiles(stream);
        var each = (GC.GetTotalMemory(forceFullCollection: true) - before) / Many;
        Assert.Equal(Many, files.Names.Count);
        Assert.Equal(BitConverter.GetBytes(Many - 1), files.Read(NameOf(Many - 1), sizeof(int)));
        Assert.Null(files.Find("log/absent", 1));
        // docs/adr/0265: what a pack takes in memory is its list of files.
        Assert.InRange(each, 0, 1000);
        Assert.InRange(written, 0, 1000);
        TestContext.Current.SendDiagnosticMessage($"{each} bytes a file when read, {written} when written");
    }

    private static string NameOf(int number) => string.Create(CultureInfo.InvariantCulture, $"log/slot/0/tile/records/x{number / 1000:000}/{number % 1000:000}");

    [Fact]
    public void A_log_is_verified_a_bundle_at_a_time()
    {
        using var file = new FileStream(Path.GetTempFileName(), FileMode.Open, FileAccess.ReadWrite, FileShare.None, 1 << 16, FileOptions.DeleteOnClose);
        var length = WriteLarge(file);
        var before = GC.GetTotalMemory(forceFullCollection: true);
        long most = 0;
        var seal = EvidencePack.Verify(file, [SamplePack.Verifier], _ => most = Math.Max(most, GC.GetTotalMemory(forceFullCollection: true) - before));
        Assert.Equal(20_003, seal.LogRecords);
        Assert.InRange(most, 1, length / 4);
    }

    // In a method of its own, so that nothing of it is held.
    [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
    private static long WriteLarge(FileStream file)
    {
        var pack = SamplePack.Of(SampleExport.Of(SampleExport.Records(0, 20_000, new string('x', 900)), [20_000]));
        using (var stream = pack.Write())
        {
            stream.CopyTo(file);
        }
        return pack.Files.Sum(each => (long)each.Content.Length);
    }
}
