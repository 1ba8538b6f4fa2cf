using System.Diagnostics;
using KeyService.Crypto.Ceremonies;
using KeyService.IntegrationTests.Hsm;
using KeyService.IntegrationTests.Restore;

namespace KeyService.IntegrationTests.Ceremonies;

/// <summary>
/// From the first key to the last day: a genesis with three of five, a service on that token with the columns and the dump of a clinical database, bundles
/// carried away, a drill on another vendor's module, token and database destroyed, and everything opens again.
/// </summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class DisasterCeremonyTests(PostgresFixture postgres) : IClassFixture<PostgresFixture>
{
    [Fact]
    public async Task Ceremonies_carry_an_installation_over_a_disaster()
    {
        var service = new ServiceFixture();
        Rehearsal? genesis = null;
        service.Configure = configuration => configuration["backup"] = new Dictionary<string, object?>
        {
            ["destinations"] = new[] { new Dictionary<string, object?> { ["name"] = "vault", ["directory"] = "bundles" } },
        };
        Directory.CreateDirectory(Path.Combine(service.Directory, "bundles"));
        service.BeforeInit = async () =>
        {
            genesis = Rehearsal.OnToken(service.Directory, "keyservice-test");
            var made = await genesis.GenesisAsync("genesis", 3, 5);
            Assert.True(made.ExitCode == 0, made.Said);
        };
        await using (service)
        {
            await service.InitializeAsync();
            using var people = genesis!;
            Assert.False(File.Exists(Path.Combine(service.Directory, "backup-key.DEVELOPMENT-ONLY")), "the value of the backup key is nowhere");
            var transcript = people.File("genesis/transcript.kst");

            // The main job: columns of a clinical database and its dump.
            await using var connection = await postgres.OpenAsync(await postgres.CreateDatabaseAsync("ehr"));
            var sample = await ClinicalSample.SealAsync(postgres, service, connection);

            // Bundles in two copies, by ceremony.
            await service.SettleAsync();
            (await service.RunCliAsync(service.Administrator, "backup", "export")).ExpectExit(0);
            var signer = people.File("signer.pem");
            await File.WriteAllTextAsync(signer, (await service.RunCliAsync(service.Administrator, "backup", "signing-key")).ExpectExit(0).Text);
            var bundle = Directory.GetFiles(Path.Combine(service.Directory, "bundles"), "*.ksb").Order(StringComparer.Ordinal).Last();
            var export = await people.RunAsync(null,
                ["ceremony", "backup-export", "--rehearsal", "--directory", people.File("export"), "--bundle", bundle, "--bundle-key", signer,
                    "--copy-to", people.File("medium-1"), "--copy-to", people.File("medium-2"), .. Rehearsal.People(2)]);
            Assert.True(export.ExitCode == 0, export.Said);
            var copy = Directory.GetFiles(people.File("medium-2")).Single();
            Assert.Equal(await File.ReadAllBytesAsync(bundle), await File.ReadAllBytesAsync(copy));

            await DrillAsync(people, copy, signer, transcript);

            // The disaster.
            await service.StopAsync();
            Directory.Delete(Path.Combine(service.Directory, "tokens"), recursive: true);
            foreach (var file in Directory.GetFiles(service.Directory, "keyservice.db*").Append(Path.Combine(service.Directory, "pin")).Append(Path.Combine(service.Directory, "so-pin")))
            {
                File.Delete(file);
            }
            await Executables.MakeTokenAsync(service.Directory);
            var started = Stopwatch.GetTimestamp();
            string[] restore =
            [
                "ceremony", "restore", "--rehearsal", "--of", transcript, "--bundle", copy, "--bundle-key", signer, "--config", service.ConfigPath,
                "--server=--admin-name=administrator", "--server=--admin-certificate-uri=keyservice:principal/administrator", .. people.Token(), .. Rehearsal.People(5),
            ];

            // Two of three: refused, nothing imported.
            foreach (var absent in new[] { "Carol Chen", "Dave Diaz", "Erin Evans" })
            {
                people.Answers.Add(($"{absent} opens the bag", "skip"));
            }
            var refused = await people.RunAsync(null, [.. restore, "--directory", people.File("too-few")]);
            Assert.Equal(1, refused.ExitCode);
            Assert.Contains("2 shares are here, and 3 are needed. Nothing was imported.", refused.Said, StringComparison.Ordinal);
            Assert.False(File.Exists(Path.Combine(service.Directory, "keyservice.db")));

            var restored = await people.RunAsync(null, [.. restore, "--directory", people.File("restore")]);
            Assert.True(restored.ExitCode == 0, restored.Said);
            Assert.Equal("completed", TranscriptVerdict.Of(people.Transcript("restore")).Ending);
            await service.StartAsync();
            await service.RegisterClientsAsync();
            var values = await sample.OpenAgainAsync();
            TestContext.Current.TestOutputHelper?.WriteLine($"{values} values and the dump opened {Stopwatch.GetElapsedTime(started).TotalSeconds:F1} s after the disaster; 72 hours are allowed");
        }
    }

    // On NSS, with shares of three others than the restore's.
    private static async Task DrillAsync(Rehearsal people, string bundle, string signer, string transcript)
    {
        using var scratch = new NssDirectory();
        people.Answers.Add(("Carol Chen opens the bag", "skip"));
        people.Answers.Add(("Dave Diaz opens the bag", "skip"));
        var drill = await people.RunAsync(null,
            ["ceremony", "restore-drill", "--rehearsal", "--directory", people.File("drill"), "--of", transcript, "--bundle", bundle, "--bundle-key", signer,
                "--module", scratch.Configuration.ModulePath, "--token-label", scratch.Configuration.TokenLabel!, "--pin-file", scratch.Configuration.PinFile!,
                "--nss-parameters", scratch.Configuration.NssParameters!, .. Rehearsal.People(5)]);
        Assert.True(drill.ExitCode == 0, drill.Said);
        Assert.Contains("each opened its check value and its bulk key", drill.Said, StringComparison.Ordinal);
        Assert.Contains("keys of the hierarchy on the token: none", drill.Said, StringComparison.Ordinal);
        Assert.Contains("grace", string.Join(' ', people.Transcript("drill").Entries.Select(each => each.Subject)), StringComparison.Ordinal);
    }
}
