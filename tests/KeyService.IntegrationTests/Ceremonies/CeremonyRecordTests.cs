using System.IO.Compression;
using System.Text;
using System.Text.Json;
using KeyService.Crypto.Ceremonies;

namespace KeyService.IntegrationTests.Ceremonies;

/// <summary>Transcripts that are brought to the service.</summary>
public sealed class CeremonyRecordTests(ServiceFixture service) : IClassFixture<ServiceFixture>
{
    private static readonly DateTimeOffset Then = new(2026, 3, 1, 10, 0, 0, TimeSpan.Zero);

    [Fact]
    public async Task A_transcript_is_kept_listed_fetched_and_in_the_evidence()
    {
        using var people = new TranscriptSigners("alice", "bob", "carol");
        var transcript = people.Sign(Held(), "alice", "bob");
        var path = await WriteAsync("kept.kst", transcript);
        using (var recorded = JsonDocument.Parse((await RunAsync("record", path, "--json")).ExpectExit(0).Text))
        {
            Assert.Equal("backup-export", recorded.RootElement.GetProperty("kind").GetString());
        }

        // The same once more; later with one signature more; never with fewer, or another one of the same name.
        (await RunAsync("record", path)).ExpectExit(0);
        var more = await WriteAsync("more.kst", people.Sign(transcript, "carol"));
        (await RunAsync("record", more)).ExpectExit(0);
        (await RunAsync("record", path)).ExpectExit(6);
        using (var others = new TranscriptSigners("alice", "bob", "carol"))
        {
            (await RunAsync("record", await WriteAsync("other.kst", others.Sign(Held(), "alice", "bob", "carol")))).ExpectExit(6);
        }

        var id = Convert.ToHexStringLower(transcript.Header.Ceremony.Span);
        Assert.Contains($"\"id\":\"{id}\"", (await RunAsync("list", "--json")).ExpectExit(0).Text, StringComparison.Ordinal);
        var list = await RunAsync("list");
        Assert.Contains("next restore-drill due ", list.Error, StringComparison.Ordinal);
        Assert.Contains("next share-check due ", list.Error, StringComparison.Ordinal);
        Assert.Equal(await File.ReadAllBytesAsync(more), (await RunAsync("fetch", id)).ExpectExit(0).Output);
        var custody = (await RunAsync("custody", "--json")).ExpectExit(0).Text;
        Assert.Contains("\"what\":\"share 12345/1\",\"custodian\":\"carol\",\"bag\":\"BAG-1\"", custody, StringComparison.Ordinal);
        Assert.Contains("to be kept at: the bank", custody, StringComparison.Ordinal);

        var pack = Path.Combine(service.Directory, "evidence.zip");
        (await service.RunCliAsync(service.Administrator, "evidence", "pack", "-o", pack, "--from", "2026-01-01")).ExpectExit(0);
        await using var zip = await ZipFile.OpenReadAsync(pack);
        Assert.Contains(zip.Entries, entry => entry.FullName.EndsWith($"backup/ceremonies/{id}.kst", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_rehearsal_one_that_nobody_signed_and_one_that_was_changed_are_refused()
    {
        using var people = new TranscriptSigners("alice", "bob", "carol");
        var rehearsal = await RunAsync("record", await WriteAsync("rehearsal.kst", people.Sign(Held(rehearsal: true), "alice", "bob")));
        Assert.Contains("rehearsal", rehearsal.ExpectExit(2).Error, StringComparison.Ordinal);
        var unsigned = await RunAsync("record", await WriteAsync("unsigned.kst", people.Sign(Held(), "alice")));
        Assert.Contains("Unsigned", unsigned.ExpectExit(2).Error, StringComparison.Ordinal);
        var changed = Encoding.ASCII.GetString(people.Sign(Held(), "alice", "bob").ToArray()).Replace("the bank", "the bench", StringComparison.Ordinal);
        var path = Path.Combine(service.Directory, "changed.kst");
        await File.WriteAllTextAsync(path, changed);
        Assert.Contains("hashes", (await RunAsync("record", path)).ExpectExit(2).Error, StringComparison.Ordinal);
        // Whoever may not export backups brings none.
        (await service.RunCliAsync(service.Database, "ceremony", "record", path)).ExpectExit(3);
    }

    private Task<CommandResult> RunAsync(params string[] arguments) => service.RunCliAsync(service.Administrator, ["ceremony", .. arguments]);

    private async Task<string> WriteAsync(string name, Transcript transcript)
    {
        var path = Path.Combine(service.Directory, name);
        await File.WriteAllBytesAsync(path, transcript.ToArray());
        return path;
    }

    private static Transcript Held(bool rehearsal = false)
    {
        var transcript = Transcript.Begin(new TranscriptHeader(Enumerable.Range(rehearsal ? 1 : 0, 16).Select(each => (byte)each).ToArray(), CeremonyKind.BackupExport, rehearsal, new byte[32]));
        foreach (var (type, subject, text) in new[]
        {
            (TranscriptEntryType.Person, "alice", "administrator Alice Adams"), (TranscriptEntryType.Person, "bob", "witness Bob Baker"),
            (TranscriptEntryType.Person, "carol", "custodian Carol Chen"), (TranscriptEntryType.Fact, "hsm.none", "none takes part"),
            (TranscriptEntryType.Begin, "1", "The only step"),
            (TranscriptEntryType.Share, "12345/1", $"threshold 2 digest {new string('0', 64)} custodian carol bag BAG-1"),
            (TranscriptEntryType.Fact, "copy.1", "bag BAG-2, taken by Carol Chen (carol), to be kept at: the bank"),
            (TranscriptEntryType.Done, "1", "alice bob"), (TranscriptEntryType.End, "completed", "Every step of the script is done."),
        })
        {
            transcript = transcript.Add(new TranscriptEntry(Then, type, subject, text), out _);
        }
        return transcript;
    }
}
