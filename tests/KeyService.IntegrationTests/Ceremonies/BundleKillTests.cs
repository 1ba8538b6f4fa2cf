using Dapper;
using KeyService.Crypto.Backups;
using KeyService.Crypto.Ceremonies;
using KeyService.Crypto.Shares;
using KeyService.IntegrationTests.Hsm;
using KeyService.IntegrationTests.Restore;
using KeyService.Server.Keys;
using Microsoft.Data.Sqlite;

namespace KeyService.IntegrationTests.Ceremonies;

/// <summary>Each ceremony over bundles, killed wherever something changes.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class BundleKillTests
{
    [Theory]
    [Trait("Duration", "long")]
    [InlineData("backup-export")]
    [InlineData("restore-drill")]
    [InlineData("restore-drill-initialised-again")]
    [InlineData("restore")]
    public async Task Killed_anywhere_it_is_resumed_and_never_half(string kind)
    {
        using var ceremony = await MakeAsync(kind);
        await KillTests.SweepAsync(kind, ceremony, kind.StartsWith("restore-drill", StringComparison.Ordinal) ? KillPlace.TokenFunctions : []);
        // While the server restores, which goes on by itself.
        foreach (var said in kind == "restore" ? new[] { "software.server", "making the root key", "restoring 4 versions", "reading everything back" } : [])
        {
            Assert.True(await ceremony.KillAsync(new KillPlace(KillAt.Said, 0, said)), said);
        }
    }

    [Theory]
    [InlineData("backup-export", 14)] // the second copy
    [InlineData("restore", 16)] // the server has ended
    public async Task Killed_at_a_question_it_is_resumed(string kind, int question)
    {
        using var ceremony = await MakeAsync(kind);
        Assert.True(await ceremony.KillAsync(question));
    }

    private static async Task<KilledCeremony> MakeAsync(string kind)
    {
        var before = await KillTests.WithSignersAsync(await Rehearsal.WithTokenAsync());
        using var lost = await LostBundles.MakeAsync(keks: 4);
        var (full, digest) = await lost.WriteAsync(1, BundleKind.Full, [], [new SaidKey("ehr/a", 0, new SaidVersion(0, KeyState.Active)), new SaidKey("ehr/b", 1, new SaidVersion(1, KeyState.Active))]);
        var (incremental, _) = await lost.WriteAsync(2, BundleKind.Incremental, digest, [new SaidKey("ehr/a", 2, new SaidVersion(2, KeyState.Active)), new SaidKey("ehr/c", 3, new SaidVersion(3, KeyState.Active))]);
        File.Copy(full, before.File("1.ksb"));
        File.Copy(incremental, before.File("2.ksb"));
        await File.WriteAllTextAsync(before.File("signer.pem"), System.Security.Cryptography.PemEncoding.WriteString("PUBLIC KEY", lost.SigningKey));
        foreach (var (share, name) in SecretSharing.Split(lost.Token.BackupKey.DangerousSpan, 2, 3).Zip(["Carol Chen", "Dave Diaz", "Erin Evans"]))
        {
            var words = new ushort[share.WordCount];
            share.WriteWords(words);
            before.Papers[name] = string.Join(' ', words.Select(word => ShareWordList.At(word)));
            share.Dispose();
        }
        return kind switch
        {
            "backup-export" => Export(before),
            "restore" => await RestoreAsync(before),
            _ => Drill(before, initialise: kind != "restore-drill"),
        };
    }

    private static string[] Bundles(Rehearsal day) => ["--bundle", day.File("1.ksb"), "--bundle", day.File("2.ksb"), "--bundle-key", day.File("signer.pem")];

    private static KilledCeremony Export(Rehearsal before) => new()
    {
        Before = before,
        Arguments = day => ["backup-export", .. Bundles(day), "--copy-to", day.File("medium-1"), "--copy-to", day.File("medium-2"), .. Rehearsal.Custodians(2)],
        WhenCompleted = (day, transcript) =>
        {
            foreach (var medium in new[] { "medium-1", "medium-2" })
            {
                Assert.Equal(["1.ksb", "2.ksb"], Directory.GetFileSystemEntries(day.File(medium)).Select(Path.GetFileName).Order(StringComparer.Ordinal));
                Assert.All(new[] { "1.ksb", "2.ksb" }, file => Assert.Equal(File.ReadAllBytes(day.File(file)), File.ReadAllBytes(day.File($"{medium}/{file}"))));
            }
            Assert.Equal(["copy.1", "copy.2"], transcript.Entries.Where(each => each.Type == TranscriptEntryType.Fact).Select(each => each.Subject).Where(each => each.StartsWith("copy.", StringComparison.Ordinal)).Distinct().Order(StringComparer.Ordinal));
            return Task.CompletedTask;
        },
    };

    private static KilledCeremony Drill(Rehearsal before, bool initialise) => new()
    {
        Before = before,
        Arguments = day => ["restore-drill", .. Bundles(day), .. day.Token(), .. Rehearsal.Custodians(3), .. initialise ? ["--so-pin-file", day.File("token/so-pin")] : Array.Empty<string>()],
        WhenCompleted = async (day, transcript) =>
        {
            Assert.Contains(transcript.Entries, each => each is { Type: TranscriptEntryType.Observe, Subject: "6" } && each.Text.StartsWith("4 versions came under the root", StringComparison.Ordinal));
            if (!initialise)
            {
                Assert.Empty(await TokenObjects.LabelsAsync(day.File("token"), "rehearsal"));
                return;
            }
            // One directory of objects for the token, and in it nothing but the token's own.
            Assert.Equal(["token.object"], Directory.GetFiles(day.File("token/tokens"), "*.object", SearchOption.AllDirectories).Select(Path.GetFileName));
        },
    };

    private static async Task<KilledCeremony> RestoreAsync(Rehearsal before)
    {
        await Executables.MakePkiAsync(before.File("pki"));
        ServiceFixture.WriteConfig(before.File("server.json"), port: 1, configuration => configuration["hsm"] = new Dictionary<string, object?>
        {
            ["module"] = Infrastructure.SoftHsmModule, ["tokenLabel"] = "rehearsal", ["pinFile"] = "token/pin",
        });
        return new KilledCeremony
        {
            Before = before,
            HsmSigns = true,
            Arguments = day =>
            [
                "restore", .. Bundles(day), .. day.Token(), .. Rehearsal.Custodians(3), "--config", day.File("server.json"),
                "--server=--admin-name=administrator", "--server=--admin-certificate-uri=keyservice:principal/administrator",
            ],
            // Another one may still be at it, begun by the process that was killed.
            Answers = [.. Enumerable.Repeat(("try this step again", ""), 40)],
            WhenCompleted = async (day, transcript) =>
            {
                Assert.Contains(transcript.Entries, each => each is { Type: TranscriptEntryType.Fact, Subject: "result.installation" });
                await using var connection = new SqliteConnection($"Data Source={day.File("keyservice.db")};Mode=ReadOnly;Pooling=False");
                Assert.Equal(1, await connection.ExecuteScalarAsync<long>("SELECT count(*) FROM installation"));
                Assert.Equal(4, await connection.ExecuteScalarAsync<long>("SELECT version_count FROM restorations WHERE finished_at IS NOT NULL"));
                var labels = await TokenObjects.LabelsAsync(day.File("token"), "rehearsal");
                Assert.Equal(["keyservice backup key", "keyservice root key"], labels.Where(each => !each.StartsWith("keyservice signing ", StringComparison.Ordinal)));
            },
        };
    }
}
