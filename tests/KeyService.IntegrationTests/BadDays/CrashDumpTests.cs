using System.Diagnostics;

namespace KeyService.IntegrationTests.BadDays;

/// <summary>Crashes of server and command where the host allows cores of any size: nothing is written. A program without keys shows that one would be.</summary>
public sealed class CrashDumpTests(ServiceFixture service) : IClassFixture<ServiceFixture>
{
    [Fact]
    public async Task A_server_that_crashes_leaves_no_core()
    {
        string[] unlimited = [Infrastructure.RequireTool("prlimit", "util-linux"), "--core=unlimited:unlimited"];
        Infrastructure.Require(await WritesCoreAsync(unlimited), "a host whose cores are files in the working directory");
        await service.StopAsync();
        service.Through = unlimited;
        await service.StartAsync();
        Assert.Matches(@"Max core file size\s+0\s+0\s", await File.ReadAllTextAsync($"/proc/{service.ServerId}/limits"));
        using var server = Process.GetProcessById(service.ServerId);
        await AbortAsync(server);
        await service.CrashAsync();
        Assert.Empty(CoresIn(service.Directory));
        service.Through = [];
        await service.StartAsync();
    }

    [Fact]
    public async Task A_command_that_crashes_with_a_key_in_hand_leaves_no_core()
    {
        string[] unlimited = [Infrastructure.RequireTool("prlimit", "util-linux"), "--core=unlimited:unlimited"];
        Infrastructure.Require(await WritesCoreAsync(unlimited), "a host whose cores are files in the working directory");
        await service.CreateKeyAsync("crash");
        // Nobody reads what it writes: it stands still in the middle of its work.
        var start = Command.StartInfo(
            unlimited[0], [.. unlimited[1..], Executables.Cli, "encrypt", "--key", "crash", "--context", "table=notes", "-o", "-", "/dev/zero"],
            new Dictionary<string, string?> { ["KEYSERVICE_PROFILE"] = service.Backup.ProfilePath },
            service.Directory);
        using var process = Process.Start(start)!;
        await process.StandardOutput.BaseStream.ReadExactlyAsync(new byte[100_000]);
        await AbortAsync(process);
        Assert.Equal(128 + 6, process.ExitCode);
        Assert.Empty(CoresIn(service.Directory));
    }

    [Theory]
    [InlineData("DOTNET_DbgEnableMiniDump")]
    [InlineData("COMPlus_DbgEnableMiniDump")]
    public async Task A_server_that_is_told_to_write_dumps_does_not_start(string variable)
    {
        var environment = new Dictionary<string, string?>(service.ServerEnvironment) { [variable] = "1" };
        var refused = await Executables.RunServerAsync(["serve", "--config", service.ConfigPath], environment, service.Directory);
        Assert.Contains($"{variable} is set", refused.ExpectExit(2).Error, StringComparison.Ordinal);
    }

    // The first time the runtime's own handler has it, and puts the kernel's way back.
    private static async Task AbortAsync(Process process)
    {
        using var limit = new CancellationTokenSource(Command.Limit);
        while (!process.HasExited)
        {
            await Command.RunAsync("kill", ["-ABRT", $"{process.Id}"]);
            await Task.Delay(100, limit.Token);
        }
    }

    private async Task<bool> WritesCoreAsync(string[] unlimited)
    {
        var place = Directory.CreateDirectory(Path.Combine(service.Directory, "control")).FullName;
        await Command.RunAsync(unlimited[0], [.. unlimited[1..], "sh", "-c", "cd \"$1\" && kill -SEGV $$", "sh", place]);
        var written = CoresIn(place).Count > 0;
        Directory.Delete(place, recursive: true);
        return written;
    }

    private static List<string> CoresIn(string directory) =>
        [.. Directory.EnumerateFiles(directory).Where(path => Path.GetFileName(path).StartsWith("core", StringComparison.Ordinal))];
}
