using System.Text.Json;

namespace KeyService.IntegrationTests.Transport;

/// <summary>doctor of the server binary, beside the running server and on configurations with one thing wrong.</summary>
public sealed class DoctorTests(ServiceFixture service) : IClassFixture<ServiceFixture>
{
    [Fact]
    public async Task A_running_installation_has_no_problems()
    {
        var result = await DoctorAsync(service.ConfigPath, 0);
        Assert.True(result.GetProperty("healthy").GetBoolean());
        foreach (var check in new[] { "config", "tls", "clock", "hsm", "store", "grants", "listen" })
            Assert.Contains(Findings(result), finding => finding.Check == check && finding.State != "problem");
    }

    [Fact]
    public async Task The_human_form_says_what_is_good_and_what_to_watch()
    {
        var result = (await Executables.RunServerAsync(["doctor", "--config", service.ConfigPath], service.ServerEnvironment))
            .ExpectExit(0);
        Assert.Contains("ok       tls", result.Text, StringComparison.Ordinal);
        Assert.Contains("DEVELOPMENT ONLY", result.Text, StringComparison.Ordinal);
        Assert.Contains("No problems.", result.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("hsm", "module", "/nowhere/module.so", "hsm", "hsm.module")]
    [InlineData("hsm", "tokenLabel", "no-such-token", "hsm", "SOFTHSM2_CONF")]
    [InlineData("hsm", "pinFile", "wrong-pin", "hsm", "hsm.pinFile")]
    [InlineData("hsm", "pinFile", "no-pin", "hsm", "hsm.pinFile")]
    [InlineData("store", "sqlite", "none.db", "store", "init --config")]
    [InlineData("tls", "certificate", "pki/none.crt", "tls", "PEM")]
    [InlineData("tls", "privateKey", "pki/ca.key", "tls", "PEM")]
    [InlineData("tls", "clientCa", "pki/server.crt", "tls", "PEM")]
    [InlineData("listen", "tcp", "198.51.100.1:9", "listen", "listen.tcp")]
    [InlineData("listen", "tcp", "nonsense", "config", "docs/spec/configuration.md")]
    public async Task What_is_wrong_is_found_with_its_fix(string section, string key, string value, string check, string fix)
    {
        await File.WriteAllTextAsync(Path.Combine(service.Directory, "wrong-pin"), "not-the-pin");
        File.SetUnixFileMode(Path.Combine(service.Directory, "wrong-pin"), UnixFileMode.UserRead | UnixFileMode.UserWrite);
        var config = service.WriteConfig(
            all => ((Dictionary<string, object?>)all[section]!)[key] = value, $"doctor-{check}-{Guid.NewGuid():N}.json");
        var result = await DoctorAsync(config, 8);
        Assert.False(result.GetProperty("healthy").GetBoolean());
        Assert.Contains(Findings(result), finding =>
            finding.Check == check && finding.State == "problem" && finding.Fix.Contains(fix, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_port_of_another_program_is_a_problem_when_no_server_runs_on_the_store()
    {
        var config = service.WriteConfig(all =>
            all["store"] = new Dictionary<string, object?> { ["sqlite"] = "none.db" }, $"doctor-port-{Guid.NewGuid():N}.json");
        Assert.Contains(Findings(await DoctorAsync(config, 8)), finding => finding.Check == "listen" && finding.State == "problem"
            && finding.Message.Contains($"{service.Port}", StringComparison.Ordinal));
    }

    private async Task<JsonElement> DoctorAsync(string config, int exitCode)
    {
        var result = (await Executables.RunServerAsync(["doctor", "--config", config, "--json"], service.ServerEnvironment))
            .ExpectExit(exitCode);
        return JsonDocument.Parse(result.Text).RootElement;
    }

    private static List<(string Check, string State, string Message, string Fix)> Findings(JsonElement result) =>
    [
        .. result.GetProperty("findings").EnumerateArray().Select(finding => (
            finding.GetProperty("check").GetString()!, finding.GetProperty("state").GetString()!,
            finding.GetProperty("message").GetString()!, finding.GetProperty("fix").GetString()!)),
    ];
}
