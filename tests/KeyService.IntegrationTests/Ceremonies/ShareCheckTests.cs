using KeyService.Crypto.Ceremonies;

namespace KeyService.IntegrationTests.Ceremonies;

/// <summary>Shares that were handed out, checked another day, and asked for again.</summary>
public sealed class ShareCheckTests
{
    [Fact]
    public async Task Each_share_is_as_it_was_handed_out_or_named()
    {
        var genesis = await Rehearsal.HeldAsync();
        using (var day = await genesis.AnotherDayAsync(withToken: false))
        {
            Assert.Equal(0, (await CheckAsync(day, genesis, "check")).ExitCode);
            var whole = day.Transcript("check");
            Assert.Contains(whole.Entries, each => each is { Type: TranscriptEntryType.Fact, Subject: "shares.checked" } && each.Text.StartsWith("3 of 3 are", StringComparison.Ordinal));
            Assert.DoesNotContain(whole.Entries, each => each.Type == TranscriptEntryType.Deviation && each.Subject.StartsWith('3'));
            Assert.All(TranscriptVerdict.Of(whole).Findings, finding => Assert.Equal(TranscriptFinding.Unsigned, finding)); // nobody had a key
        }
        using (var day = await genesis.AnotherDayAsync(withToken: false))
        {
            // Dave's paper was exchanged for a share of another set, Erin's is Carol's, by mistake.
            var other = await Rehearsal.HeldElsewhereAsync();
            day.Papers["Dave Diaz"] = other.Papers["Dave Diaz"];
            day.Papers["Erin Evans"] = genesis.Papers["Carol Chen"];
            var result = await CheckAsync(day, genesis, "exchanged");
            Assert.Equal(0, result.ExitCode); // it was held, and says what it found
            var deviations = day.Transcript("exchanged").Entries.Where(each => each.Type == TranscriptEntryType.Deviation && each.Subject.StartsWith('3')).Select(each => each.Text).ToList();
            Assert.Contains(deviations, each => each.StartsWith("Dave Diaz, share 2: Not the share that was handed out: it is share 2 of set", StringComparison.Ordinal));
            Assert.Contains(deviations, each => each.StartsWith("Erin Evans, share 3: Not the share that was handed out: it is share 1 of set", StringComparison.Ordinal));
            Assert.Contains(deviations, each => each.StartsWith("Fewer shares were proven", StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task One_mistyped_word_is_found_by_its_place_and_two_are_told()
    {
        var genesis = await Rehearsal.HeldAsync();
        using var day = await genesis.AnotherDayAsync(withToken: false);
        var words = day.Papers["Carol Chen"].Split(' ');
        var right = words[11];
        words[11] = right == "academic" ? "acid" : "academic";
        day.Papers["Carol Chen"] = string.Join(' ', words);
        day.Answers.Add(("Word 12 of 33", right));
        var two = day.Papers["Dave Diaz"].Split(' ');
        (two[20], two[25]) = (Other(two[20]), Other(two[25]));
        day.Papers["Dave Diaz"] = string.Join(' ', two);
        var result = await CheckAsync(day, genesis, "check");
        Assert.Contains("it is word 12:", result.Said, StringComparison.Ordinal);
        var transcript = day.Transcript("check");
        Assert.Contains(transcript.Entries, each => each is { Type: TranscriptEntryType.Observe, Subject: "3/1" } && each.Text.StartsWith("As it was handed out", StringComparison.Ordinal));
        Assert.Contains(transcript.Entries, each => each is { Type: TranscriptEntryType.Deviation, Subject: "3/2" } && each.Text.Contains("do not fit together", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Custodians_who_are_asked_again_must_be_enough_and_bring_what_they_got()
    {
        using var rehearsal = await Rehearsal.WithTokenAsync();
        string[] arguments = ["ceremony", "genesis", "--rehearsal", "--directory", rehearsal.File("genesis"), "--threshold", "2", .. rehearsal.Token(), .. Rehearsal.People(3)];
        Assert.Equal(137, (await rehearsal.RunAsync(26, arguments)).ExitCode); // every share is proven, the key was in memory
        var other = await Rehearsal.HeldElsewhereAsync();
        var own = rehearsal.Papers["Carol Chen"];
        rehearsal.Papers["Carol Chen"] = other.Papers["Carol Chen"];
        rehearsal.Answers.Add(("Dave Diaz opens the bag", "skip"));
        rehearsal.Answers.Add(("try this step again", ""));
        rehearsal.Answers.Add(("Carol Chen opens the bag", ""));
        var result = await rehearsal.RunAsync(null, "ceremony", "resume", rehearsal.File("genesis"));
        Assert.Contains("The share of Carol Chen is not taken: it is share 1 of set", result.Said, StringComparison.Ordinal);
        Assert.Contains("1 shares are here, and 2 are needed. Nothing was imported.", result.Said, StringComparison.Ordinal);
        Assert.NotEqual(own, rehearsal.Papers["Carol Chen"]);
        // The second time Dave brought his, so two were enough without Carol.
        Assert.Equal("completed", TranscriptVerdict.Of(rehearsal.Transcript("genesis")).Ending);
    }

    [Fact]
    public async Task A_transcript_that_was_changed_or_is_of_a_rehearsal_is_refused()
    {
        var genesis = await Rehearsal.HeldAsync();
        using var day = await genesis.AnotherDayAsync(withToken: false);
        var path = day.File("changed.kst");
        var text = await File.ReadAllTextAsync(genesis.File("genesis/transcript.kst"));
        await File.WriteAllTextAsync(path, text.Replace("custodian carol bag", "custodian erin bag", StringComparison.Ordinal));
        (await Executables.RunCliAsync(["ceremony", "verify", path])).ExpectExit(4);
        (await Executables.RunCliAsync(["ceremony", "verify", genesis.File("genesis/transcript.kst")])).ExpectExit(4); // not signed
        var refused = await day.RunAsync(null, ["ceremony", "share-check", "--rehearsal", "--directory", day.File("refused"), "--of", path, .. Rehearsal.People(3)]);
        Assert.Contains("is no transcript, or was changed", refused.Said, StringComparison.Ordinal);
        Assert.Equal(1, refused.ExitCode);
    }

    private static Task<RehearsalResult> CheckAsync(Rehearsal day, Rehearsal genesis, string directory) => day.RunAsync(
        null, ["ceremony", "share-check", "--rehearsal", "--directory", day.File(directory), "--of", genesis.File("genesis/transcript.kst"), .. Rehearsal.People(3)]);

    private static string Other(string word) => word == "academic" ? "acid" : "academic";
}
