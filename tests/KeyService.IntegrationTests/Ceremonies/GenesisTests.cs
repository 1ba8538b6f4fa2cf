using System.Globalization;
using KeyService.Crypto;
using KeyService.Crypto.Ceremonies;
using KeyService.Crypto.Shares;

namespace KeyService.IntegrationTests.Ceremonies;

/// <summary>The root of trust, made in rehearsals by the real command on real tokens.</summary>
public sealed class GenesisTests
{
    [Fact]
    public async Task Three_of_five_make_the_root_of_trust_and_the_transcript_says_so()
    {
        using var rehearsal = await Rehearsal.WithTokenAsync();
        await OfficerRoster.MakeKeyAsync(rehearsal, "alice");
        await OfficerRoster.MakeKeyAsync(rehearsal, "bob");
        var result = await rehearsal.GenesisAsync("genesis", 3, 5, "--signing-key", $"alice={rehearsal.File("alice.key")}", "--signing-key", $"bob={rehearsal.File("bob.key")}", "--json");
        Assert.True(result.ExitCode == 0, result.Said);

        var transcript = rehearsal.Transcript("genesis");
        var verdict = TranscriptVerdict.Of(transcript);
        Assert.Empty(verdict.Findings);
        Assert.Equal("completed", verdict.Ending);
        Assert.Equal(["carol", "dave", "erin", "frank", "grace"], verdict.Unsigned);
        Assert.Equal(3, transcript.Signatures.Count);
        Assert.Equal(5, transcript.Entries.Count(each => each.Type == TranscriptEntryType.Share));
        Assert.Equal(5, transcript.Entries.Count(each => each is { Type: TranscriptEntryType.Observe, Subject: "6" }));

        // What the papers say is the key whose id the token and the transcript name.
        var shares = rehearsal.Papers.Values.Take(3).Select(PaperShares.Read).ToList();
        using var key = SecretSharing.Combine(shares, default, out _, out _);
        Assert.Equal(transcript.Entries.Single(each => each.Subject == "backup-key.id").Text, Convert.ToHexStringLower(BackupKeyId.Of(key!)));
        shares.ForEach(share => share.Dispose());

        // No word of any share in the transcript, in the plan, or in what was printed as the result.
        foreach (var text in new[] { await File.ReadAllTextAsync(rehearsal.File("genesis/transcript.kst")), await File.ReadAllTextAsync(rehearsal.File("genesis/plan.json")), result.Output })
        {
            Assert.All(rehearsal.Papers.Values, paper => Assert.DoesNotContain(string.Join(' ', paper.Split(' ').Skip(4).Take(3)), text, StringComparison.Ordinal));
        }

        var verified = await Executables.RunCliAsync(["ceremony", "verify", rehearsal.File("genesis/transcript.kst"), "--key", $"alice={rehearsal.File("alice.key.pub")}", "--json"]);
        Assert.Contains("\"compared\":[\"alice\"]", verified.ExpectExit(0).Text, StringComparison.Ordinal);
        (await Executables.RunCliAsync(["ceremony", "verify", rehearsal.File("genesis/transcript.kst"), "--key", $"alice={rehearsal.File("bob.key.pub")}"])).ExpectExit(4);
    }

    [Fact]
    public async Task A_word_that_is_typed_wrong_is_named_and_typed_again()
    {
        using var rehearsal = await Rehearsal.WithTokenAsync();
        rehearsal.Answers.Add(("Word 1 of 33", "academic academic academic academic academic zzzz"));
        rehearsal.Answers.Add(("Word", "show"));
        var result = await rehearsal.GenesisAsync("genesis", 2, 2);
        Assert.True(result.ExitCode == 0, result.Said);
        Assert.Contains("is another one than was shown", result.Said, StringComparison.Ordinal);
        // Whatever was typed wrongly before, what was accepted is what was shown.
        Assert.Equal(["completed"], rehearsal.Transcript("genesis").Entries.Where(each => each.Type == TranscriptEntryType.End).Select(each => each.Subject));
    }

    [Fact]
    public async Task Who_is_absent_is_replaced_by_a_named_alternate_or_the_day_is_another()
    {
        using var rehearsal = await Rehearsal.WithTokenAsync();
        rehearsal.Answers.Add(("Carol Chen, custodian: are you here", "absent"));
        var replaced = await rehearsal.GenesisAsync("replaced", 2, 2, "--alternate", "frank=Frank Fox");
        Assert.True(replaced.ExitCode == 0, replaced.Said);
        Assert.Equal(["frank", "dave"], rehearsal.Transcript("replaced").Entries.Where(each => each.Type == TranscriptEntryType.Share).Select(each => each.Text.Split(' ')[5]));
        Assert.Contains(rehearsal.Transcript("replaced").Entries, each => each.Type == TranscriptEntryType.Deviation && each.Text.Contains("Frank Fox takes the place", StringComparison.Ordinal));

        using var second = await Rehearsal.WithTokenAsync();
        second.Answers.Add(("Bob Baker, witness: are you here", "absent"));
        var postponed = await second.GenesisAsync("postponed", 2, 2);
        Assert.Equal(1, postponed.ExitCode);
        Assert.Equal("postponed", TranscriptVerdict.Of(second.Transcript("postponed")).Ending);
    }

    [Fact]
    public async Task Overlapping_roles_and_lower_quorums_are_refused_before_anything_begins()
    {
        using var rehearsal = await Rehearsal.WithTokenAsync();
        string[] start = ["ceremony", "genesis", "--rehearsal", "--directory", rehearsal.File("refused"), .. rehearsal.Token()];
        foreach (var arguments in new string[][]
        {
            [.. Rehearsal.People(3), "--custodian", "alice=Alice Adams", "--threshold", "2"],
            [.. Rehearsal.People(3), "--custodian", "alicia=alice adams", "--threshold", "2"],
            [.. Rehearsal.People(3), "--threshold", "1"],
            [.. Rehearsal.People(3), "--threshold", "4"],
            ["--administrator", "alice=Alice Adams", "--custodian", "carol=Carol Chen", "--custodian", "dave=Dave Diaz", "--threshold", "2"],
        })
        {
            (await Executables.RunCliAsync([.. start, .. arguments])).ExpectExit(2);
        }
        Assert.False(Directory.Exists(rehearsal.File("refused")));
        // A pipe holds no real ceremony.
        (await Executables.RunCliAsync(["ceremony", "genesis", "--directory", rehearsal.File("refused"), .. rehearsal.Token(), .. Rehearsal.People(3), "--threshold", "2"])).ExpectExit(2);
    }

    [Fact]
    public async Task Stopping_postpones_before_the_key_and_voids_behind_it()
    {
        using var rehearsal = await Rehearsal.WithTokenAsync();
        rehearsal.Answers.Add(("watch agrees", "stop"));
        Assert.Equal(1, (await rehearsal.GenesisAsync("early", 2, 2)).ExitCode);
        Assert.Equal("postponed", TranscriptVerdict.Of(rehearsal.Transcript("early")).Ending);
        rehearsal.Answers.Add(("serial number of the bag", "stop"));
        rehearsal.Answers.Add(("Why is it stopped", "A fire alarm."));
        var late = await rehearsal.GenesisAsync("late", 2, 2);
        Assert.Equal(1, late.ExitCode);
        Assert.Contains("destroy them before witnesses", late.Said, StringComparison.Ordinal);
        var verdict = TranscriptVerdict.Of(rehearsal.Transcript("late"));
        Assert.Equal("void", verdict.Ending);
        Assert.Equal("A fire alarm.", rehearsal.Transcript("late").Entries[^1].Text);
        Assert.Contains(rehearsal.Transcript("late").Signatures, each => each.IsHsm);
        // The token is as it was: another ceremony completes on it.
        Assert.Equal(0, (await rehearsal.GenesisAsync("again", 2, 2)).ExitCode);
        // And has its backup key then: a third one stops at the token.
        var third = await rehearsal.GenesisAsync("third", 2, 2);
        Assert.Equal("postponed", TranscriptVerdict.Of(rehearsal.Transcript("third")).Ending);
        Assert.Contains("backup key on the token is", third.Said, StringComparison.Ordinal);
    }

    /// <summary>Killed at each question: what was begun is resumed, or recorded as void, and never half.</summary>
    [Fact]
    [Trait("Duration", "long")]
    public async Task Killed_at_any_question_it_is_resumed_or_void()
    {
        int questions;
        using (var whole = await Rehearsal.WithTokenAsync())
        {
            questions = (await whole.GenesisAsync("genesis", 2, 3)).Questions.Count;
        }
        for (var at = 0; at < questions; at++)
        {
            await KillAsync(at);
        }
    }

    [Theory]
    [InlineData(3)] // in the attendance
    [InlineData(9)] // the token is open
    [InlineData(14)] // shares are handed out
    [InlineData(26)] // every share is proven, the key is asked for again
    [InlineData(29)]
    public async Task Killed_at_a_step_it_is_resumed_or_void(int at) => await KillAsync(at);

    private static async Task KillAsync(int at)
    {
        using var rehearsal = await Rehearsal.WithTokenAsync();
        string[] arguments = ["ceremony", "genesis", "--rehearsal", "--directory", rehearsal.File("genesis"), "--threshold", "2", .. rehearsal.Token(), .. Rehearsal.People(3)];
        var killed = await rehearsal.RunAsync(at, arguments);
        Assert.True(killed.ExitCode == 137, killed.Said);
        // As a power cut leaves it: half a line at its end.
        await File.AppendAllTextAsync(rehearsal.File("genesis/transcript.kst"), TranscriptVerdict.Of(rehearsal.Transcript("genesis")).Ending is null ? "0123456789abcdef" : "");

        var resumed = await rehearsal.RunAsync(null, "ceremony", "resume", rehearsal.File("genesis"));
        var transcript = rehearsal.Transcript("genesis");
        var verdict = TranscriptVerdict.Of(transcript);
        var proven = transcript.Entries.Any(each => each is { Type: TranscriptEntryType.Done, Subject: "6" });
        var begun = transcript.Entries.Any(each => each is { Type: TranscriptEntryType.Begin, Subject: "4" });
        Assert.True(verdict.Ending == (begun && !proven ? "void" : "completed"), string.Create(CultureInfo.InvariantCulture, $"killed at {at}: {verdict.Ending}\n{resumed.Said}"));
        Assert.Equal(verdict.Ending == "completed" ? 0 : 1, resumed.ExitCode);
        Assert.All(verdict.Findings, finding => Assert.Equal(TranscriptFinding.Unsigned, finding));
        if (verdict.Ending == "void")
        {
            // Nothing stands in the way of a new one.
            var again = await rehearsal.GenesisAsync("again", 2, 3);
            Assert.True(again.ExitCode == 0, again.Said);
        }
    }
}
