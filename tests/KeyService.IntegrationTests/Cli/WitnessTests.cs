using System.Diagnostics;
using System.Text.Json;

namespace KeyService.IntegrationTests.Cli;

/// <summary>
/// Two operators, two processes: a service whose checkpoints a directory and a real witness get over HTTPS, and what an auditor makes of it
/// offline.
/// </summary>
public sealed class WitnessTests(ServiceFixture service) : IClassFixture<ServiceFixture>
{
    private readonly int _port = ServiceFixture.FreePort();

    private string Worm => Path.Combine(service.Directory, "worm");

    private string WitnessFolder => Path.Combine(service.Directory, "witness");

    [Fact]
    public async Task A_witness_makes_an_export_provable_and_one_that_is_away_is_an_alarm_that_ends_by_itself()
    {
        var keys = (await service.RunCliAsync(service.Administrator, "audit", "key")).ExpectExit(0).Text;
        await File.WriteAllTextAsync(Path.Combine(service.Directory, "log.vkey"), keys);
        var vkey = await WriteWitnessAsync(keys.Trim());
        Directory.CreateDirectory(Worm);
        service.WriteConfig(config => config["audit"] = new Dictionary<string, object?>
        {
            ["checkpoints"] = new object[]
            {
                new Dictionary<string, object?> { ["name"] = "worm", ["directory"] = "worm" },
                new Dictionary<string, object?> { ["name"] = "neighbour", ["witness"] = $"https://localhost:{_port}/", ["witnessKey"] = vkey, ["ca"] = "pki/ca.crt" },
            },
        });
        (await Executables.RunServerAsync(["config", "check", "--config", service.ConfigPath])).ExpectExit(0);

        // Nobody listens there yet: the start does not wait for it, and an alarm says so.
        await service.RestartAsync();
        await Until.TrueAsync(async () => (await AlarmsAsync()).Contains("checkpoint-destination neighbour"), "the alarm of the witness");
        Assert.DoesNotContain("checkpoint-destination worm", await AlarmsAsync());

        using var witness = await StartWitnessAsync();
        await Until.TrueAsync(async () => !(await AlarmsAsync()).Contains("checkpoint-destination neighbour"), "the end of the alarm");
        Assert.NotEmpty(Directory.GetFiles(Worm, "*.checkpoint", SearchOption.AllDirectories));

        // An auditor with the public keys of both, and nothing else.
        await File.WriteAllTextAsync(Path.Combine(service.Directory, "policy"), $"witness neighbour {vkey}\nquorum neighbour\n");
        var log = Path.Combine(service.Directory, "log");
        (await service.RunCliAsync(service.Administrator, "audit", "export", log, "--quiet")).ExpectExit(0);
        var verified = await OfflineAsync("audit", "verify", log, "--key", "log.vkey", "--policy", "policy", "--quiet", "--json");
        var report = JsonDocument.Parse(verified.ExpectExit(0).Text).RootElement;
        Assert.StartsWith("consistent; ", report.GetProperty("verdict").GetString(), StringComparison.Ordinal);
        Assert.True(report.GetProperty("logs")[0].GetProperty("held_size").GetInt64() > 0);

        // A checkpoint that the write-once directory holds does as well.
        var held = Directory.GetFiles(Worm, "*.checkpoint", SearchOption.AllDirectories).Order(StringComparer.Ordinal).First();
        (await OfflineAsync("audit", "verify", log, "--key", "log.vkey", "--checkpoint", held, "--quiet", "--json")).ExpectExit(0);

        // And one record with the witness's word.
        (await service.RunCliAsync(service.Administrator, "audit", "prove", "0/0", "-o", Path.Combine(service.Directory, "record"), "--directory", Path.Combine(service.Directory, "above"))).ExpectExit(0);
        var proven = JsonDocument.Parse((await OfflineAsync("audit", "verify-proof", "record", "--directory", "above", "--key", "log.vkey", "--policy", "policy", "--json")).ExpectExit(0).Text).RootElement;
        Assert.NotNull(proven.GetProperty("witness_time").GetString());

        // Killed and started again it remembers what it cosigned; the service goes on from there.
        witness.Kill();
        await witness.WaitForExitAsync();
        using var again = await StartWitnessAsync();
        await service.RestartAsync();
        await Until.TrueAsync(async () => await NewestAsync() is var (newest, witnessed) && newest == witnessed, "the cosignature of the newest checkpoint");
        Assert.DoesNotContain("checkpoint-destination neighbour", await AlarmsAsync());
        again.Kill();
    }

    [Fact]
    public async Task A_witness_that_cannot_be_one_says_why()
    {
        Directory.CreateDirectory(WitnessFolder);
        var config = Path.Combine(WitnessFolder, "bad.json");
        await File.WriteAllTextAsync(config, """{ "name": "w", "listen": "0.0.0.0:8553", "keyFile": "key", "stateDirectory": "state", "logs": [] }""");
        var result = await Executables.RunCliAsync(["witness", "serve", "--config", config]);
        Assert.Equal(2, result.ExitCode);
        Assert.Contains("\"tls\" is missing", result.Error, StringComparison.Ordinal);
        Assert.Contains("\"logs\" must name the key of one log", result.Error, StringComparison.Ordinal);
        Assert.Equal(2, (await Executables.RunCliAsync(["witness", "serve"])).ExitCode);
    }

    private async Task<string> WriteWitnessAsync(string vkey)
    {
        Directory.CreateDirectory(WitnessFolder);
        var config = Path.Combine(WitnessFolder, "witness.json");
        await File.WriteAllTextAsync(config, JsonSerializer.Serialize(new
        {
            name = "neighbour.example/w1",
            listen = $"127.0.0.1:{_port}",
            tls = new { certificate = "../pki/server.crt", privateKey = "../pki/server.key" },
            keyFile = "witness.key",
            stateDirectory = "state",
            logs = new[] { new { key = vkey } },
        }));
        var made = (await Executables.RunCliAsync(["witness", "init", "--config", config])).ExpectExit(0).Text;
        Assert.Equal(made, (await Executables.RunCliAsync(["witness", "key", "--config", config])).ExpectExit(0).Text);
        Assert.Equal(6, (await Executables.RunCliAsync(["witness", "init", "--config", config])).ExitCode);
        return made.Trim();
    }

    private async Task<Process> StartWitnessAsync()
    {
        var start = new ProcessStartInfo(Executables.Server, ["witness", "serve", "--config", Path.Combine(WitnessFolder, "witness.json")]) { RedirectStandardOutput = true };
        var process = Process.Start(start)!;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => KillIfAlive(process);
        Assert.Equal($"keyservice: witness neighbour.example/w1 on https://127.0.0.1:{_port}", await process.StandardOutput.ReadLineAsync());
        return process;
    }

    private static void KillIfAlive(Process process)
    {
        try
        {
            process.Kill();
        }
        catch (InvalidOperationException)
        {
            // It ended.
        }
    }

    // Those whose condition stands; they stay open until somebody takes notice.
    private async Task<List<string>> AlarmsAsync()
    {
        var result = await service.RunCliAsync(service.Administrator, "alarms", "--json");
        Assert.True(result.ExitCode is 0 or 10, result.Error);
        return [.. result.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)
            .Where(alarm => alarm.GetProperty("clear_time").ValueKind == JsonValueKind.Null)
            .Select(alarm => $"{alarm.GetProperty("kind").GetString()} {alarm.GetProperty("subject").GetString()}")];
    }

    private async Task<(string Newest, string Witnessed)> NewestAsync()
    {
        using var channel = service.ConnectAs("administrator");
        var keys = await new Protocol.V1.Audit.AuditClient(channel).GetLogKeysAsync(new Protocol.V1.GetLogKeysRequest());
        return (SizeOf(keys.DirectoryCheckpoint.ToStringUtf8()), SizeOf(keys.WitnessedCheckpoint.ToStringUtf8()));
    }

    private static string SizeOf(string note) => note.Split('\n') is [_, var size, ..] ? size : "";

    private Task<CommandResult> OfflineAsync(params string[] arguments) =>
        Executables.RunCliAsync(arguments, new Dictionary<string, string?> { ["KEYSERVICE_PROFILE"] = "/nowhere" }, workingDirectory: service.Directory);
}
