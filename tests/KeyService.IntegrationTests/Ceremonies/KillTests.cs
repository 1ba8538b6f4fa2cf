using System.Diagnostics;
using System.Globalization;
using KeyService.Crypto.Ceremonies;

namespace KeyService.IntegrationTests.Ceremonies;

/// <summary>Each ceremony that needs no bundle, killed wherever something changes.</summary>
public sealed class KillTests
{
    [Theory]
    [Trait("Duration", "long")]
    [InlineData("genesis")]
    [InlineData("backup-key")]
    [InlineData("share-check")]
    [InlineData("officer-enrolment")]
    [InlineData("key-destruction")]
    [InlineData("break-glass-review")]
    public async Task Killed_anywhere_it_is_resumed_or_void_and_never_half(string kind)
    {
        using var ceremony = await MakeAsync(kind);
        await SweepAsync(kind, ceremony, kind == "genesis" ? KillPlace.TokenFunctions : []);
    }

    internal static async Task SweepAsync(string kind, KilledCeremony ceremony, string[] functions)
    {
        var began = Stopwatch.GetTimestamp();
        var questions = await ceremony.KillEverywhereAsync(KillAt.Question);
        var writes = await ceremony.KillEverywhereAsync(KillAt.Write);
        var calls = 0;
        foreach (var function in functions)
        {
            calls += await ceremony.KillEverywhereAsync(KillAt.TokenCall, function);
        }
        TestContext.Current.TestOutputHelper?.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{kind}: killed at {questions} questions, {writes} changes of files, {calls} calls of the token, and each once more, in {Stopwatch.GetElapsedTime(began).TotalSeconds:F0} s"));
        Assert.True(questions > 0 && writes > 0 && (functions.Length == 0 || calls > 0));
    }

    private static Task<KilledCeremony> MakeAsync(string kind) => kind switch
    {
        "genesis" => GenesisAsync(),
        "backup-key" => BackupKeyAsync(),
        "share-check" => ShareCheckAsync(),
        "officer-enrolment" => OfficerEnrolmentAsync(),
        "key-destruction" => KeyDestructionAsync(),
        _ => BreakGlassReviewAsync(),
    };

    // Carol does not come, and Frank takes her place.
    private static async Task<KilledCeremony> GenesisAsync()
    {
        var before = await WithSignersAsync(await Rehearsal.WithTokenAsync());
        IReadOnlyList<string> objects;
        using (var whole = before.Copy())
        {
            Assert.Equal(0, (await whole.GenesisAsync("genesis", 2, 3)).ExitCode);
            objects = await TokenObjects.LabelsAsync(whole.File("token"), "rehearsal");
        }
        return new KilledCeremony
        {
            Before = before,
            Arguments = day => ["genesis", "--threshold", "2", .. day.Token(), .. Rehearsal.Custodians(3), "--alternate", "frank=Frank Fox"],
            Answers = [("Carol Chen, custodian: are you here", "absent")],
            InMemory = (4, 6),
            HsmSigns = true,
            WhenCompleted = async (day, transcript) =>
            {
                Assert.Equal(["frank", "dave", "erin"], transcript.Entries.Where(each => each.Type == TranscriptEntryType.Share).Select(each => each.Text.Split(' ')[5]));
                Assert.Equal(PaperShares.KeyOf(transcript), PaperShares.KeyOf(day.Papers["Frank Fox"], day.Papers["Erin Evans"]));
                Assert.Equal(objects, await TokenObjects.LabelsAsync(day.File("token"), "rehearsal"));
            },
            WhenVoid = async (day, transcript) =>
            {
                Assert.All(await TokenObjects.LabelsAsync(day.File("token"), "rehearsal"), each => Assert.Equal("keyservice signing transcripts", each));
                day.Answers.Clear();
                var again = await day.GenesisAsync("again", 2, 3);
                Assert.True(again.ExitCode == 0, again.Said);
            },
        };
    }

    private static async Task<KilledCeremony> BackupKeyAsync()
    {
        var genesis = await Rehearsal.HeldAsync();
        var before = await WithSignersAsync(await genesis.AnotherDayAsync(withToken: false));
        var key = PaperShares.KeyOf(genesis.Transcript("genesis"));
        return new KilledCeremony
        {
            Before = before,
            Arguments = day => ["backup-key", "--threshold", "2", "--of", genesis.File("genesis/transcript.kst"), .. Rehearsal.Custodians(3)],
            InMemory = (3, 6),
            WhenCompleted = (day, transcript) =>
            {
                Assert.Equal(key, PaperShares.KeyOf(transcript));
                Assert.Equal(key, PaperShares.KeyOf(day.Papers["Dave Diaz"], day.Papers["Erin Evans"]));
                Assert.Equal(3, transcript.Entries.Where(each => each is { Type: TranscriptEntryType.Observe, Subject: "7" }).Select(each => each.Text).Distinct().Count());
                return Task.CompletedTask;
            },
            WhenVoid = (_, _) =>
            {
                Assert.Equal(key, PaperShares.KeyOf(genesis.Papers["Dave Diaz"], genesis.Papers["Erin Evans"]));
                return Task.CompletedTask;
            },
        };
    }

    private static async Task<KilledCeremony> ShareCheckAsync()
    {
        var genesis = await Rehearsal.HeldAsync();
        return new KilledCeremony
        {
            Before = await WithSignersAsync(await genesis.AnotherDayAsync(withToken: false)),
            Arguments = day => ["share-check", "--of", genesis.File("genesis/transcript.kst"), .. Rehearsal.Custodians(3)],
            WhenCompleted = (_, transcript) =>
            {
                Assert.StartsWith("3 of 3 are", transcript.Entries.Last(each => each is { Type: TranscriptEntryType.Fact, Subject: "shares.checked" }).Text, StringComparison.Ordinal);
                return Task.CompletedTask;
            },
        };
    }

    private static async Task<KilledCeremony> OfficerEnrolmentAsync()
    {
        var before = await WithSignersAsync(Rehearsal.WithoutToken());
        var (officers, roster) = await OfficerRoster.MakeAsync(before, "olga", "otto");
        await File.WriteAllBytesAsync(before.File("roster"), roster);
        return new KilledCeremony
        {
            Before = before,
            Arguments = day =>
            [
                "officer-enrolment", "--roster", day.File("roster"), "--officer", "olga=Olga Olsen", "--officer", "otto=Otto Ober",
                "--signing-key", $"olga={day.File("olga.key")}", "--signing-key", $"otto={day.File("otto.key")}",
            ],
            Answers = [("Olga Olsen: type the last eight digits", officers["olga"]), ("Otto Ober: type the last eight digits", officers["otto"])],
            WhenCompleted = async (day, transcript) =>
            {
                OfficerRoster.RequireValid(await File.ReadAllBytesAsync(day.File("roster")));
                Assert.Equal(["alice", "bob", "olga", "otto"], transcript.Signatures.Select(each => each.Signer));
            },
        };
    }

    private static async Task<KilledCeremony> KeyDestructionAsync()
    {
        var before = await WithSignersAsync(Rehearsal.WithoutToken());
        await File.WriteAllTextAsync(before.File("certificate.json"), "{}");
        return new KilledCeremony
        {
            Before = before,
            Arguments = day => ["key-destruction", "--document", day.File("certificate.json"), "--copy", "Tape 7", "--copy", "Tape 8"],
            Answers = [("Tape 7: how", "shredded"), ("Tape 8: how", "burnt")],
            WhenCompleted = (_, transcript) =>
            {
                Assert.Equal("Destroyed: shredded", Last(transcript, "4/1"));
                Assert.Equal("Destroyed: burnt", Last(transcript, "4/2"));
                return Task.CompletedTask;
            },
        };
    }

    private static async Task<KilledCeremony> BreakGlassReviewAsync()
    {
        var before = await WithSignersAsync(Rehearsal.WithoutToken());
        await File.WriteAllTextAsync(before.File("records.json"), "{}");
        return new KilledCeremony
        {
            Before = before,
            Arguments = day => ["break-glass-review", "--document", day.File("records.json")],
            Answers = [("What was the emergency", "The issuer was down."), ("Was each record", "Yes."), ("Was the access justified", "justified"), ("What is to be changed", "Nothing.")],
            WhenCompleted = (_, transcript) =>
            {
                Assert.Equal(4, transcript.Entries.Where(each => each is { Type: TranscriptEntryType.Observe, Subject: "4" }).Select(each => each.Text).Distinct().Count());
                return Task.CompletedTask;
            },
        };
    }

    /// <summary>Keys of those who sign every transcript.</summary>
    internal static async Task<Rehearsal> WithSignersAsync(Rehearsal rehearsal)
    {
        await OfficerRoster.MakeKeyAsync(rehearsal, "alice");
        await OfficerRoster.MakeKeyAsync(rehearsal, "bob");
        return rehearsal;
    }

    private static string Last(Transcript transcript, string step) => transcript.Entries.Last(each => each.Type == TranscriptEntryType.Observe && each.Subject == step).Text;
}
