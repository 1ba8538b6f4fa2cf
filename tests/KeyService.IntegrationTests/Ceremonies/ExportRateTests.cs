using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using KeyService.Crypto.Ceremonies;
using KeyService.IntegrationTests.Hsm;
using KeyService.IntegrationTests.Restore;

namespace KeyService.IntegrationTests.Ceremonies;

/// <summary>How long it takes until many versions lie on two media: written by the service, then verified, copied and read back in a ceremony.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class ExportRateTests
{
    [Fact]
    [Trait("Duration", "long")]
    public async Task A_hundred_thousand_versions_are_exported_and_the_rate_is_told()
    {
        await using var site = await DisasterSite.StartAsync();
        await site.DestroyAsync();
        var many = Path.Combine(site.Service.Directory, "many.ksb");
        await ManyVersions.WriteAsync(many, site.SigningKey, site.BackupKey);
        using (var restore = site.StartRestore([many], "--json"))
        {
            while (await restore.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken) is not null)
            {
                // To its end.
            }
            await restore.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.True(restore.ExitCode == 0, await restore.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken));
        }
        await site.Service.StartAsync();

        var began = Stopwatch.GetTimestamp();
        var exported = await Command.RunAsync(
            Executables.Cli, ["backup", "export", "--json"], new Dictionary<string, string?> { ["KEYSERVICE_PROFILE"] = site.Service.Administrator.ProfilePath },
            workingDirectory: site.Service.Directory, limit: TimeSpan.FromMinutes(30));
        Tell("the service wrote the bundle and read it back", began);
        using var said = JsonDocument.Parse(exported.ExpectExit(0).Text);
        Assert.True(said.RootElement.GetProperty("versions").GetInt64() >= ManyVersions.Count, exported.Text);
        var bundle = Path.Combine(site.Vault, said.RootElement.GetProperty("file_name").GetString()!);
        await File.WriteAllTextAsync(site.SigningKey, (await site.Service.RunCliAsync(site.Service.Administrator, "backup", "signing-key")).ExpectExit(0).Text);
        await site.Service.StopAsync();

        using var day = Rehearsal.WithoutToken();
        string[] ceremony =
        [
            "ceremony", "backup-export", "--rehearsal", "--directory", day.File("export"), "--bundle", bundle, "--bundle-key", site.SigningKey,
            "--copy-to", day.File("medium-1"), "--copy-to", day.File("medium-2"), .. Rehearsal.People(2),
        ];
        // Interrupted when the first copy is whole, so that what is measured is resumable too.
        began = Stopwatch.GetTimestamp();
        Assert.Equal(137, (await day.RunAsync(new KillPlace(KillAt.Said, 0, "Copy 1 is whole"), ceremony)).ExitCode);
        var resumed = await day.RunAsync(null, "ceremony", "resume", day.File("export"));
        Assert.True(resumed.ExitCode == 0, resumed.Said);
        Tell($"the ceremony verified {new FileInfo(bundle).Length / 1e6:F1} MB, copied them twice and read them back, killed and resumed once", began);
        Assert.Contains("it is read back like a new copy", resumed.Said, StringComparison.Ordinal);
        Assert.Equal("completed", TranscriptVerdict.Of(day.Transcript("export")).Ending);
        var whole = await File.ReadAllBytesAsync(bundle, TestContext.Current.CancellationToken);
        foreach (var medium in new[] { "medium-1", "medium-2" })
        {
            var copy = await File.ReadAllBytesAsync(Directory.GetFiles(day.File(medium)).Single(), TestContext.Current.CancellationToken);
            Assert.True(whole.AsSpan().SequenceEqual(copy), medium);
        }
    }

    private static void Tell(string what, long began)
    {
        var seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        TestContext.Current.TestOutputHelper?.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what}: {ManyVersions.Count} versions in {seconds:F1} s, {ManyVersions.Count / seconds:F0} a second"));
    }
}
