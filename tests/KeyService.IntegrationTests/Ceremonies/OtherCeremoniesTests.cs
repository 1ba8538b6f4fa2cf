using System.Security.Cryptography;
using System.Text;
using KeyService.Crypto;
using KeyService.Crypto.Ceremonies;
using KeyService.Crypto.Shares;

namespace KeyService.IntegrationTests.Ceremonies;

/// <summary>New shares of the same key, other tokens, and ceremonies in which people decide and sign.</summary>
public sealed class OtherCeremoniesTests
{
    [Fact]
    public async Task The_same_key_comes_into_new_hands_and_the_papers_before_are_destroyed()
    {
        var genesis = await Rehearsal.HeldAsync();
        using var day = await genesis.AnotherDayAsync(withToken: false);
        // Carol leaves, Frank comes: Carol and Dave bring their shares, the new set is held by Dave, Erin and Frank.
        day.Answers.Add(("share 3 of the set before", "absent"));
        var result = await day.RunAsync(null,
            ["ceremony", "backup-key", "--rehearsal", "--directory", day.File("again"), "--of", genesis.File("genesis/transcript.kst"), "--threshold", "2",
                "--administrator", "alice=Alice Adams", "--witness", "bob=Bob Baker", "--former", "carol=Carol Chen",
                "--custodian", "dave=Dave Diaz", "--custodian", "erin=Erin Evans", "--custodian", "frank=Frank Fox"]);
        Assert.True(result.ExitCode == 0, result.Said);
        var transcript = day.Transcript("again");
        Assert.Equal(PaperShares.KeyOf(genesis.Transcript("genesis")), PaperShares.KeyOf(transcript));
        Assert.Contains(transcript.Entries, each => each is { Type: TranscriptEntryType.Deviation, Subject: "7" } && each.Text.Contains("not destroyed", StringComparison.Ordinal));
        Assert.Equal(PaperShares.KeyOf(transcript), PaperShares.KeyOf(day.Papers["Erin Evans"], day.Papers["Frank Fox"]));
        Assert.Null(PaperShares.KeyOf(genesis.Papers["Carol Chen"], day.Papers["Frank Fox"])); // of two sets

        // From now on shares are compared with this transcript.
        using var next = await day.AnotherDayAsync(withToken: false);
        var check = await next.RunAsync(null,
            ["ceremony", "share-check", "--rehearsal", "--directory", next.File("check"), "--of", day.File("again/transcript.kst"),
                "--administrator", "alice=Alice Adams", "--witness", "bob=Bob Baker", "--custodian", "dave=Dave Diaz", "--custodian", "erin=Erin Evans", "--custodian", "frank=Frank Fox"]);
        Assert.Contains("3 of 3 are as they were handed out", check.Said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_token_gets_the_backup_key_sealed_and_a_custodian_elsewhere_the_share_encrypted()
    {
        using var genesis = await Rehearsal.WithTokenAsync();
        using var elsewhere = await genesis.AnotherDayAsync(withToken: true);
        var transfer = await elsewhere.RunAsync(null, ["token", "transfer-key", "-o", elsewhere.File("transfer.txt"), "--json", .. elsewhere.Token()]);
        Assert.True(transfer.ExitCode == 0, transfer.Said);
        var fingerprint = System.Text.Json.JsonDocument.Parse(transfer.Output).RootElement.GetProperty("fingerprint").GetString()!;
        using var carols = RSA.Create(3072);
        await File.WriteAllTextAsync(genesis.File("carol.pem"), carols.ExportSubjectPublicKeyInfoPem());

        genesis.Answers.Add(("last eight digits of the fingerprint", fingerprint[^8..]));
        // Carol opens the file on her own machine when she is asked for the words.
        genesis.Opening = at => at == "Carol Chen"
            ? Encoding.ASCII.GetString(carols.Decrypt(File.ReadAllBytes(genesis.File("genesis/share-1-carol.bin")), RSAEncryptionPadding.OaepSHA256))
            : null;
        var made = await genesis.GenesisAsync("genesis", 2, 2, "--transfer-key", elsewhere.File("transfer.txt"), "--share-key", $"carol={genesis.File("carol.pem")}");
        Assert.True(made.ExitCode == 0, made.Said);
        Assert.DoesNotContain("Carol Chen sits down at the screen", made.Said, StringComparison.Ordinal);

        var id = PaperShares.KeyOf(genesis.Transcript("genesis"));
        var sealedFile = Directory.GetFiles(genesis.File("genesis"), "sealed-*.txt").Single();
        Assert.Equal(4, (await elsewhere.RunAsync(null, ["token", "import-backup-key", sealedFile, "--backup-key", new string('0', 16), .. elsewhere.Token()])).ExitCode);
        var imported = await elsewhere.RunAsync(null, ["token", "import-backup-key", sealedFile, "--backup-key", id, "--json", .. elsewhere.Token()]);
        Assert.True(imported.ExitCode == 0, imported.Said);
        Assert.Contains(id, imported.Output, StringComparison.Ordinal);
        // Sealed for that token and no other one.
        Assert.NotEqual(0, (await genesis.RunAsync(null, ["token", "import-backup-key", sealedFile, "--backup-key", id, .. genesis.Token()])).ExitCode);
    }

    [Fact]
    public async Task Officers_accept_their_roster_one_after_the_other()
    {
        using var day = Rehearsal.WithoutToken();
        var (officers, roster) = await OfficerRoster.MakeAsync(day, "olga", "otto");
        await File.WriteAllBytesAsync(day.File("roster"), roster);
        string[] arguments =
        [
            "ceremony", "officer-enrolment", "--rehearsal", "--roster", day.File("roster"), "--administrator", "alice=Alice Adams", "--witness", "bob=Bob Baker",
            "--officer", "olga=Olga Olsen", "--officer", "otto=Otto Ober", "--signing-key", $"olga={day.File("olga.key")}", "--signing-key", $"otto={day.File("otto.key")}",
        ];
        day.Answers.Add(("Olga Olsen: type the last eight digits", "00000000"));
        var wrong = await day.RunAsync(null, [.. arguments, "--directory", day.File("wrong")]);
        Assert.Equal(1, wrong.ExitCode);
        Assert.Contains("Nothing was signed", wrong.Said, StringComparison.Ordinal);

        day.Answers.AddRange([("Olga Olsen: type the last eight digits", officers["olga"]), ("Otto Ober: type the last eight digits", officers["otto"])]);
        var enrolled = await day.RunAsync(null, [.. arguments, "--directory", day.File("enrolled")]);
        Assert.True(enrolled.ExitCode == 0, enrolled.Said);
        OfficerRoster.RequireValid(await File.ReadAllBytesAsync(day.File("roster")));
        // Their own keys signed the transcript too.
        Assert.Equal(["olga", "otto"], day.Transcript("enrolled").Signatures.Select(each => each.Signer));
    }

    [Fact]
    public async Task Copies_are_destroyed_and_an_emergency_is_judged_before_witnesses()
    {
        using var day = Rehearsal.WithoutToken();
        await File.WriteAllTextAsync(day.File("certificate.json"), "{}");
        string[] people = ["--administrator", "alice=Alice Adams", "--witness", "bob=Bob Baker", "--document", day.File("certificate.json")];
        day.Answers.Add(("Tape 7, bag B-9, from the bank: how", "shredded"));
        day.Answers.Add(("Tape 8: how", "absent"));
        var destroyed = await day.RunAsync(null,
            ["ceremony", "key-destruction", "--rehearsal", "--directory", day.File("destroyed"), "--copy", "Tape 7, bag B-9, from the bank", "--copy", "Tape 8", .. people]);
        Assert.True(destroyed.ExitCode == 0, destroyed.Said);
        var entries = day.Transcript("destroyed").Entries;
        Assert.Contains(entries, each => each is { Type: TranscriptEntryType.Attach, Subject: "document.certificate.json", Text: "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a 2" });
        Assert.Contains(entries, each => each is { Type: TranscriptEntryType.Observe, Subject: "4/1", Text: "Destroyed: shredded" });
        Assert.Contains(entries, each => each is { Type: TranscriptEntryType.Deviation, Subject: "4/2" } && each.Text.StartsWith("Tape 8 was not destroyed", StringComparison.Ordinal));

        day.Answers.AddRange([("What was the emergency", "The issuer was down."), ("Was each record", "Yes."), ("Was the access justified", "justified"), ("What is to be changed", "Nothing.")]);
        var judged = await day.RunAsync(null, ["ceremony", "break-glass-review", "--rehearsal", "--directory", day.File("judged"), .. people]);
        Assert.True(judged.ExitCode == 0, judged.Said);
        Assert.Equal(4, day.Transcript("judged").Entries.Count(each => each is { Type: TranscriptEntryType.Observe, Subject: "4" }));
        Assert.All(new[] { "destroyed", "judged" }, each => Assert.Equal([TranscriptFinding.Unsigned], TranscriptVerdict.Of(day.Transcript(each)).Findings));
    }

    [Fact]
    public async Task What_is_not_there_is_said_before_anybody_comes_and_what_is_bad_can_be_mended_or_stopped_for()
    {
        using var day = await Rehearsal.WithTokenAsync();
        string[] drill = ["ceremony", "restore-drill", "--rehearsal", .. day.Token(), .. Rehearsal.People(2)];
        var missing = await day.RunAsync(null, [.. drill, "--directory", day.File("missing"), "--bundle", day.File("no.ksb")]);
        Assert.Equal(2, missing.ExitCode);
        Assert.False(Directory.Exists(day.File("missing")));

        await File.WriteAllTextAsync(day.File("bad.ksb"), "this is no bundle at all, but long enough to look at: " + new string('x', 200));
        var bad = await day.RunAsync(null, [.. drill, "--directory", day.File("bad"), "--bundle", day.File("bad.ksb")]);
        Assert.Equal(1, bad.ExitCode);
        var transcript = day.Transcript("bad");
        Assert.Equal("postponed", TranscriptVerdict.Of(transcript).Ending);
        Assert.Contains(transcript.Entries, each => each is { Type: TranscriptEntryType.Deviation, Subject: "3" } && each.Text.Contains("bad.ksb", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_ceremony_is_held_by_one_process_and_by_the_plan_that_it_was_begun_with()
    {
        var genesis = await Rehearsal.HeldAsync();
        using var day = await genesis.AnotherDayAsync(withToken: false);
        string[] check = ["ceremony", "share-check", "--rehearsal", "--directory", day.File("check"), "--of", genesis.File("genesis/transcript.kst"), .. Rehearsal.People(3)];
        Assert.Equal(137, (await day.RunAsync(12, check)).ExitCode);

        using (new FileStream(day.File("check/transcript.kst"), FileMode.Open, FileAccess.ReadWrite, FileShare.None))
        {
            var second = await day.RunAsync(null, "ceremony", "resume", day.File("check"));
            Assert.Equal(6, second.ExitCode);
            Assert.Contains("Another process holds this ceremony", second.Said, StringComparison.Ordinal);
        }
        var plan = await File.ReadAllTextAsync(day.File("check/plan.json"));
        await File.WriteAllTextAsync(day.File("check/plan.json"), plan.Replace("\"isRehearsal\": true", "\"isRehearsal\": false", StringComparison.Ordinal));
        Assert.Equal(6, (await day.RunAsync(null, "ceremony", "resume", day.File("check"))).ExitCode);
        await File.WriteAllTextAsync(day.File("check/plan.json"), plan);

        // A share check loses nothing when it is killed.
        Assert.Equal(0, (await day.RunAsync(null, "ceremony", "resume", day.File("check"))).ExitCode);
        Assert.Contains(day.Transcript("check").Entries, each => each is { Type: TranscriptEntryType.Fact, Subject: "shares.checked" } && each.Text.StartsWith("3 of 3 are", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(8)] // a share of the set before is typed
    [InlineData(16)] // new shares are handed out
    public async Task Killed_while_the_key_is_split_anew_it_is_void_and_the_shares_before_stay_good(int at)
    {
        var genesis = await Rehearsal.HeldAsync();
        using var day = await genesis.AnotherDayAsync(withToken: false);
        Assert.Equal(137, (await day.RunAsync(at,
            ["ceremony", "backup-key", "--rehearsal", "--directory", day.File("again"), "--of", genesis.File("genesis/transcript.kst"), "--threshold", "2", .. Rehearsal.People(3)])).ExitCode);
        var resumed = await day.RunAsync(null, "ceremony", "resume", day.File("again"));
        Assert.Equal(1, resumed.ExitCode);
        Assert.Equal("void", TranscriptVerdict.Of(day.Transcript("again")).Ending);
        Assert.Contains("The shares before stay good", resumed.Said, StringComparison.Ordinal);
        Assert.Equal(PaperShares.KeyOf(genesis.Transcript("genesis")), PaperShares.KeyOf(genesis.Papers["Carol Chen"], genesis.Papers["Erin Evans"]));
        // Its transcript is nobody's record of shares.
        using var next = await genesis.AnotherDayAsync(withToken: false);
        Assert.Contains("was not completed", (await next.RunAsync(null,
            ["ceremony", "share-check", "--rehearsal", "--directory", next.File("check"), "--of", day.File("again/transcript.kst"), .. Rehearsal.People(3)])).Said, StringComparison.Ordinal);
    }
}
