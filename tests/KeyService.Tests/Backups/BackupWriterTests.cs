using System.Diagnostics;
using KeyService.Crypto.Backups;
using KeyService.Server.Backups;

namespace KeyService.Tests.Backups;

/// <summary>What the writer writes, when, and what it does about destinations that fail.</summary>
public sealed class BackupWriterTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_first_bundle_is_full_and_the_next_ones_hold_what_is_new()
    {
        await using var bed = await BackupBed.MakeAsync();
        await bed.AddKeysAsync(100);
        await bed.RunAsync();
        var full = await ReadAsync(bed.Files("first").Single());
        Assert.Equal((BundleKind.Full, 1UL, 100UL, 100UL, 0UL), Said(full));
        Assert.Equal(await File.ReadAllBytesAsync(bed.Files("first").Single(), Cancellation), await File.ReadAllBytesAsync(bed.Files("second").Single(), Cancellation));

        await bed.RunAsync();
        Assert.Single(bed.Files("first"));

        await bed.AddKeysAsync(3, "more");
        await bed.RunAsync();
        var incremental = await ReadAsync(bed.Files("first")[1]);
        Assert.Equal((BundleKind.Incremental, 2UL, 3UL, 3UL, 0UL), Said(incremental));
        Assert.Equal(full.Digest, incremental.Header.PreviousDigest);
        Assert.Equal(2, bed.Files("second").Length);

        bed.Time.Advance(TimeSpan.FromHours(24));
        await bed.RunAsync();
        Assert.Equal((BundleKind.Full, 3UL, 103UL, 103UL, 0UL), Said(await ReadAsync(bed.Files("second")[2])));
        var listed = await bed.Queries.ListAsync(long.MaxValue, inForceOnly: false, 10, Cancellation);
        Assert.Equal([(3L, true), (2, false), (1, false)], listed.Select(bundle => (bundle.Row.Sequence, bundle.InForce)));
        Assert.All(listed, bundle => Assert.Equal(2, bundle.Copies.Count(copy => copy.State == CopyState.Verified)));
        Assert.All(bed.AllFiles("first"), file => Assert.EndsWith(".ksb", file, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_version_waits_at_the_gate_until_its_bundle_stands_at_enough_destinations()
    {
        await using var bed = await BackupBed.MakeAsync();
        var version = await bed.AddKeyAsync("gate");
        Assert.True(bed.Gate.Required);
        Assert.False(await bed.Gate.IsOpenAsync(version, Cancellation));
        Directory.Move(bed.PathOf("second"), bed.PathOf("away"));
        await bed.RunAsync();
        Assert.Equal(["first"], await bed.Gate.DestinationsAsync(version, Cancellation));
        Assert.False(await bed.Gate.IsOpenAsync(version, Cancellation));
        Assert.Contains(bed.Alarmed, line => line.Contains("BackupDestination of second", StringComparison.Ordinal) && line.Contains("is not there", StringComparison.Ordinal));

        Directory.Move(bed.PathOf("away"), bed.PathOf("second"));
        bed.Time.Advance(TimeSpan.FromMinutes(10));
        await bed.RunAsync();
        Assert.Equal(["first", "second"], await bed.Gate.DestinationsAsync(version, Cancellation));
        Assert.True(await bed.Gate.IsOpenAsync(version, Cancellation));
        Assert.Contains(bed.Alarmed, line => line.Contains("BackupDestination of second is over", StringComparison.Ordinal));
        Assert.False(await bed.Gate.IsOpenAsync(new KeyService.Crypto.KeyVersionId(42), Cancellation));
    }

    [Fact]
    public async Task Without_a_gate_every_version_may_begin()
    {
        await using var bed = await BackupBed.MakeAsync(new BackupConfiguration());
        Assert.False(bed.Gate.Required);
        Assert.True(await bed.Gate.IsOpenAsync(await bed.AddKeyAsync("free"), Cancellation));
    }

    [Fact]
    public async Task A_damaged_copy_is_found_within_a_day_closes_the_gate_and_is_mended_from_another()
    {
        await using var bed = await BackupBed.MakeAsync();
        var version = await bed.AddKeyAsync("mended");
        await bed.RunAsync();
        var (good, bad) = (bed.Files("first").Single(), bed.Files("second").Single());
        Damage(bad);
        await bed.RunAsync();
        Assert.True(await bed.Gate.IsOpenAsync(version, Cancellation));

        // Both damaged at once: nothing to mend from, so a bundle of everything is written anew.
        Damage(good);
        bed.Time.Advance(BundleCopies.Every - TimeSpan.FromMinutes(1));
        await bed.RunAsync();
        bed.Time.Advance(TimeSpan.FromMinutes(1));
        await bed.RunAsync();
        Assert.Equal(2, bed.Files("first").Length);
        Assert.True(await bed.Gate.IsOpenAsync(version, Cancellation));

        Damage(bed.Files("second")[1]);
        await bed.Writer.CheckCopiesAsync(Cancellation);
        Assert.Equal(await File.ReadAllBytesAsync(bed.Files("first")[1], Cancellation), await File.ReadAllBytesAsync(bed.Files("second")[1], Cancellation));
        Assert.True(await bed.Gate.IsOpenAsync(version, Cancellation));
        Assert.Contains(bed.Ask<string>("SELECT group_concat(state || ':' || revision) FROM bundle_copies WHERE destination = 'second'"), new[] { "3:2,1:3", "3:3,1:3" });
    }

    [Fact]
    public async Task A_copy_that_cannot_be_mended_closes_the_gate_until_it_is_good_again()
    {
        await using var bed = await BackupBed.MakeAsync();
        var version = await bed.AddKeyAsync("closed");
        await bed.RunAsync();
        Directory.Move(bed.PathOf("second"), bed.PathOf("away"));
        await bed.Writer.CheckCopiesAsync(Cancellation);
        Assert.Equal(["first"], await bed.Gate.DestinationsAsync(version, Cancellation));
        Assert.False(await bed.Gate.IsOpenAsync(version, Cancellation));
        Directory.Move(bed.PathOf("away"), bed.PathOf("second"));
        await bed.Writer.CheckCopiesAsync(Cancellation);
        Assert.True(await bed.Gate.IsOpenAsync(version, Cancellation));
        Assert.Single(bed.Files("second"));
    }

    [Fact]
    public async Task A_destination_that_cannot_be_written_is_tried_less_and_less_often_while_the_other_goes_on()
    {
        await using var bed = await BackupBed.MakeAsync();
        Directory.Delete(bed.PathOf("first"));
        await bed.AddKeyAsync("a");
        await bed.RunAsync();
        Assert.Single(bed.Files("second"));
        var pauses = new List<TimeSpan>();
        for (var round = 0; round < 9; round++)
        {
            var pause = bed.Writer.Destinations[0].RetryTime - bed.Time.GetUtcNow();
            pauses.Add(pause);
            bed.Time.Advance(pause);
            await bed.RunAsync();
        }

        Assert.Equal([5, 10, 20, 40, 80, 160, 320, 600, 600], pauses.Select(pause => pause.TotalSeconds));
        Assert.Null(bed.Writer.Destinations[1].Problem);

        // Not tried before it is due, but for somebody who asks.
        bed.Directory("first");
        await bed.RunAsync();
        Assert.Empty(bed.Files("first"));
        await bed.Writer.CheckCopiesAsync(Cancellation);
        Assert.Single(bed.Files("first"));
        Assert.Null(bed.Writer.Destinations[0].Problem);
    }

    [Fact]
    public async Task What_a_server_left_half_written_is_removed_and_what_is_not_ours_stays()
    {
        await using var bed = await BackupBed.MakeAsync();
        var half = Path.Combine(bed.PathOf("first"), ".keyservice-00010203-000000000001-aabbccdd.ksb.0123456789ab.tmp");
        var other = Path.Combine(bed.PathOf("first"), ".keyservice-ffffffff-000000000001-aabbccdd.ksb.0123456789ab.tmp");
        await File.WriteAllTextAsync(half, "half", Cancellation);
        await File.WriteAllTextAsync(other, "another installation's", Cancellation);
        await bed.RunAsync();
        Assert.False(File.Exists(half));
        Assert.True(File.Exists(other));
        Assert.Single(bed.Files("first"));
    }

    [Fact]
    public async Task A_request_gets_one_bundle_however_often_it_is_made()
    {
        await using var bed = await BackupBed.MakeAsync();
        var first = await bed.Writer.ExportAsync(after: 0, BundleKind.Full, Cancellation);
        var again = await bed.Writer.ExportAsync(after: 0, BundleKind.Full, Cancellation);
        Assert.Equal((1, first!.FileName), (again!.Sequence, again.FileName));
        var both = await Task.WhenAll(bed.Writer.ExportAsync(1, BundleKind.Full, Cancellation), bed.NewWriter().ExportAsync(1, BundleKind.Full, Cancellation));
        Assert.All(both, bundle => Assert.Equal(2, bundle!.Sequence));
        Assert.Equal(2, bed.Files("first").Length);
        Directory.Delete(bed.PathOf("first"), recursive: true);
        Directory.Delete(bed.PathOf("second"), recursive: true);
        Assert.Null(await bed.Writer.ExportAsync(2, BundleKind.Full, Cancellation));
    }

    [Fact]
    public async Task Versions_whose_rows_were_changed_are_left_out_told_and_no_reason_for_one_bundle_after_another()
    {
        await using var bed = await BackupBed.MakeAsync();
        var versions = await bed.AddKeysAsync(5);
        var good = await bed.AddKeyAsync("good");
        bed.Edit($"UPDATE key_blobs SET blob = x'01{new string('9', 80)}' WHERE version_id = {unchecked((long)versions[2].Value)}");
        await bed.RunAsync();
        Assert.Equal((BundleKind.Full, 1UL, 6UL, 5UL, 1UL), Said(await ReadAsync(bed.Files("first").Single())));
        Assert.Contains(bed.Alarmed, line => line.Contains("StoreTampered of key_blobs/", StringComparison.Ordinal));
        await bed.RunAsync();
        Assert.Single(bed.Files("first"));
        Assert.True(await bed.Gate.IsOpenAsync(good, Cancellation));
        Assert.False(await bed.Gate.IsOpenAsync(versions[2], Cancellation));

        bed.Edit("PRAGMA foreign_keys = OFF; DELETE FROM bundle_versions; DELETE FROM keys WHERE name = 'key/000001'");
        bed.Time.Advance(TimeSpan.FromHours(25));
        await bed.RunAsync();
        Assert.True((await ReadAsync(bed.Files("first")[1])).OmittedCount >= 2);
    }

    [Theory]
    [InlineData("UPDATE bundle_copies SET state = 1 WHERE destination = 'second'", "an edited copy")]
    [InlineData("UPDATE bundle_segments SET version_ids = CAST(version_ids || x'0000000000000007' AS BLOB)", "an edited segment")]
    [InlineData("DELETE FROM bundle_copies WHERE destination = 'first'", "a copy deleted")]
    [InlineData("UPDATE bundles SET left_out_count = 0, kind = 1", "an edited bundle")]
    public async Task Rows_edited_behind_the_service_open_nothing(string sql, string what)
    {
        await using var bed = await BackupBed.MakeAsync();
        await bed.AddKeyAsync("before");
        await bed.RunAsync();
        var version = await bed.AddKeyAsync("edited");
        await bed.RunAsync();
        Assert.True(await bed.Gate.IsOpenAsync(version, Cancellation));
        Directory.Move(bed.PathOf("second"), bed.PathOf("away"));
        await bed.Writer.CheckCopiesAsync(Cancellation);
        Assert.False(await bed.Gate.IsOpenAsync(version, Cancellation));
        Assert.True(bed.Edit(sql) > 0, what);
        Assert.False(await bed.Gate.IsOpenAsync(version, Cancellation));
        Assert.Contains(bed.Alarmed, line => line.Contains("StoreTampered", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_copys_row_put_back_from_before_it_was_lost_opens_nothing()
    {
        await using var bed = await BackupBed.MakeAsync();
        var version = await bed.AddKeyAsync("rolled");
        await bed.RunAsync();
        bed.Edit("CREATE TABLE kept AS SELECT * FROM bundle_copies");
        Directory.Move(bed.PathOf("second"), bed.PathOf("away"));
        await bed.Writer.CheckCopiesAsync(Cancellation);
        bed.Edit("DELETE FROM bundle_copies; INSERT INTO bundle_copies SELECT * FROM kept");
        Assert.False(await bed.Gate.IsOpenAsync(version, Cancellation));
    }

    [Fact]
    public async Task A_hint_to_another_bundle_opens_nothing()
    {
        await using var bed = await BackupBed.MakeAsync();
        await bed.AddKeyAsync("held");
        await bed.RunAsync();
        var version = await bed.AddKeyAsync("not-held");
        bed.Edit($"INSERT INTO bundle_versions (version_id, bundle, ordinal) VALUES ({unchecked((long)version.Value)}, 1, 0)");
        Assert.False(await bed.Gate.IsOpenAsync(version, Cancellation));
        Assert.Contains(bed.Alarmed, line => line.Contains("did not hold the version", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Three_thousand_versions_are_known_to_the_gate_each()
    {
        await using var bed = await BackupBed.MakeAsync();
        var versions = await bed.AddKeysAsync(3000);
        await bed.RunAsync();
        Assert.Equal(3L, bed.Ask<long>("SELECT count(*) FROM bundle_segments"));
        foreach (var version in versions.Where((_, index) => index % 97 == 0).Append(versions[^1]))
        {
            Assert.True(await bed.Gate.IsOpenAsync(version, Cancellation));
        }
    }

    /// <summary>Figures for docs: a bundle of 100,000 versions.</summary>
    [Fact]
    [Trait("Duration", "long")]
    public async Task A_hundred_thousand_versions_are_written_and_read_back()
    {
        await using var bed = await BackupBed.MakeAsync();
        await bed.AddKeysAsync(100_000);
        var started = Stopwatch.GetTimestamp();
        var before = GC.GetTotalAllocatedBytes();
        await bed.RunAsync();
        TestContext.Current.TestOutputHelper!.WriteLine(
            $"{Stopwatch.GetElapsedTime(started).TotalSeconds:0.0} s, {(GC.GetTotalAllocatedBytes() - before) / 1_000_000} MB allocated, {new FileInfo(bed.Files("first").Single()).Length:N0} bytes");
        Assert.Equal((BundleKind.Full, 1UL, 100_000UL, 100_000UL, 0UL), Said(await ReadAsync(bed.Files("second").Single())));
    }

    private static (BundleKind Kind, ulong Sequence, ulong Keys, ulong Versions, ulong LeftOut) Said(VerifiedBundle bundle) =>
        (bundle.Header.Kind, bundle.Header.Sequence, bundle.KeyCount, bundle.VersionCount, bundle.OmittedCount);

    private static async Task<VerifiedBundle> ReadAsync(string path)
    {
        await using var file = File.OpenRead(path);
        return await VerifiedBundle.ReadAsync(file, cancellationToken: Cancellation);
    }

    private static void Damage(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite);
        file.Position = file.Length / 2;
        var value = file.ReadByte();
        file.Position--;
        file.WriteByte((byte)(value ^ 1));
    }
}
