using System.Diagnostics;
using System.Text.Json;
using KeyService.IntegrationTests.Hsm;

namespace KeyService.IntegrationTests.Restore;

/// <summary>How long many versions take, and that the memory does not grow with them.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class RestoreRateTests
{
    [Fact]
    [Trait("Duration", "long")]
    public async Task A_hundred_thousand_versions_are_restored_in_minutes()
    {
        var output = TestContext.Current.TestOutputHelper;
        var work = Directory.CreateTempSubdirectory("keyservice-rate-").FullName;
        try
        {
            var began = Stopwatch.GetTimestamp();
            var bundle = Path.Combine(work, "all.ksb");
            await ManyVersions.WriteAsync(bundle, Path.Combine(work, "signer.pem"), Path.Combine(work, "key"));
            output?.WriteLine($"made in {Stopwatch.GetElapsedTime(began).TotalSeconds:F0} s, {new FileInfo(bundle).Length / 1e6:F1} MB");

            await Executables.MakeTokenAsync(work);
            var config = ServiceFixture.WriteConfig(Path.Combine(work, "server.json"), port: 1, configuration => configuration.Remove("tls"));
            await Executables.MakePkiAsync(Path.Combine(work, "pki"));
            ServiceFixture.WriteConfig(config, port: 1);
            var (lines, peak) = await RunAsync(work, config, bundle);
            using var result = JsonDocument.Parse(lines[^1]);
            Assert.Equal(ManyVersions.Count, result.RootElement.GetProperty("versions").GetInt32());
            var seconds = result.RootElement.GetProperty("seconds").GetDouble();
            var rate = ManyVersions.Count / seconds;
            output?.WriteLine($"{ManyVersions.Count} versions in {seconds:F1} s: {rate:F0} a second, {peak} at most; 72 hours would do for {72 * 3600 * rate / 1e6:F0} million");
            output?.WriteLine(string.Join('\n', lines));
            Assert.InRange(seconds, 0, 900);
        }
        finally
        {
            Directory.Delete(work, recursive: true);
        }
    }

    private static async Task<(IReadOnlyList<string> Lines, string Peak)> RunAsync(string work, string config, string bundle)
    {
        var start = Command.StartInfo(
            "sh",
            [
                "-c", "key=$1; shift; exec \"$@\" 9<\"$key\"", "sh", Path.Combine(work, "key"), Executables.Server, "restore", "--config", config,
                "--signing-key", Path.Combine(work, "signer.pem"), "--backup-key-fd", "9", "--admin-name", "administrator", "--admin-unix-uid", "0", "--json",
                "--bundle", bundle,
            ],
            new Dictionary<string, string?> { ["SOFTHSM2_CONF"] = Path.Combine(work, "softhsm2.conf") }, work);
        using var process = Process.Start(start)!;
        var peak = "";
        var lines = new List<string>();
        while (await process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken) is { } line)
        {
            lines.Add(line);
            if (!process.HasExited)
            {
                peak = File.ReadLines($"/proc/{process.Id}/status").FirstOrDefault(each => each.StartsWith("VmHWM", StringComparison.Ordinal)) ?? peak;
            }
        }

        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(process.ExitCode == 0, await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken));
        return (lines, peak);
    }
}
