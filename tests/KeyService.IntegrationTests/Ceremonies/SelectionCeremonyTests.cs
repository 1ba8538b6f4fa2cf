using KeyService.Crypto.Backups;
using KeyService.Crypto.Ceremonies;
using KeyService.IntegrationTests.Hsm;
using KeyService.IntegrationTests.Restore;
using KeyService.Server.Keys;

namespace KeyService.IntegrationTests.Ceremonies;

/// <summary>A selection of keys in the ceremonies that read bundles.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class SelectionCeremonyTests
{
    [Fact]
    public async Task It_is_exported_like_any_bundle_and_no_restore_takes_it()
    {
        using var day = await Rehearsal.WithTokenAsync();
        using (var lost = await LostBundles.MakeAsync(keks: 1))
        {
            var (selection, _) = await lost.WriteAsync(3, BundleKind.Selection, new byte[32], [new SaidKey("clinic/fields", 0, new SaidVersion(0, KeyState.Active))]);
            File.Copy(selection, day.File("clinic.ksb"));
            await File.WriteAllTextAsync(day.File("signer.pem"), System.Security.Cryptography.PemEncoding.WriteString("PUBLIC KEY", lost.SigningKey), TestContext.Current.CancellationToken);
        }
        string[] bundle = ["--bundle", day.File("clinic.ksb"), "--bundle-key", day.File("signer.pem"), .. Rehearsal.People(2)];
        var exported = await day.RunAsync(null, ["ceremony", "backup-export", "--rehearsal", "--directory", day.File("export"), "--copy-to", day.File("medium-1"), "--copy-to", day.File("medium-2"), .. bundle]);
        Assert.True(exported.ExitCode == 0, exported.Said);
        Assert.Contains(day.Transcript("export").Entries, each => each is { Type: TranscriptEntryType.Observe, Subject: "3" } && each.Text.StartsWith("A selection of keys of installation ", StringComparison.Ordinal));
        foreach (var medium in new[] { "medium-1", "medium-2" })
        {
            Assert.Equal(File.ReadAllBytes(day.File("clinic.ksb")), File.ReadAllBytes(day.File($"{medium}/clinic.ksb")));
        }

        await File.WriteAllTextAsync(day.File("server.json"), "{}", TestContext.Current.CancellationToken);
        var refused = await day.RunAsync(null, ["ceremony", "restore", "--rehearsal", "--directory", day.File("restore"), "--config", day.File("server.json"), "--server=--admin-name=administrator", .. day.Token(), .. bundle]);
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("is a selection of keys, of which no installation is made", refused.Said, StringComparison.Ordinal);
        Assert.Equal("postponed", TranscriptVerdict.Of(day.Transcript("restore")).Ending);
        Assert.DoesNotContain(refused.Questions, question => question.Contains("Word ", StringComparison.Ordinal));
    }
}
