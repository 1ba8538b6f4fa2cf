using System.Net;
using System.Net.Sockets;

namespace KeyService.IntegrationTests.BadInput;

/// <summary>
/// A server that cannot start says why, what to do, and ends with a code of its own. The class's service is initialised and stopped.
/// </summary>
[Collection("Stopped service")]
public sealed class StartUpTests(StoppedService stopped)
{
    private readonly ServiceFixture service = stopped.Service;

    [Fact]
    public async Task An_absent_module_is_named()
    {
        var config = service.WriteConfig(all => Section(all, "hsm")["module"] = "/usr/lib/no-such-module.so", "no-module.json");

        var result = await ServeAsync(config);

        Assert.Contains("/usr/lib/no-such-module.so", result.ExpectExit(5).Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_absent_token_is_named_with_those_that_are_there()
    {
        var config = service.WriteConfig(all => Section(all, "hsm")["tokenLabel"] = "lost-token", "no-token.json");

        var result = await ServeAsync(config);

        Assert.Contains("lost-token", result.ExpectExit(5).Error, StringComparison.Ordinal);
        Assert.Contains("keyservice-test", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_PIN_is_tried_once_and_never_shown()
    {
        const string Pin = "1357924680";
        WritePin("wrong-pin", Pin, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        var config = service.WriteConfig(all => Section(all, "hsm")["pinFile"] = "wrong-pin", "wrong-pin.json");

        var result = await ServeAsync(config);

        Assert.Contains("PIN", result.ExpectExit(3).Error, StringComparison.Ordinal);
        Assert.Contains("not tried again", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain(Pin, result.Error + result.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_PIN_file_that_others_can_read_is_refused()
    {
        WritePin("open-pin", "1234", UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead);
        var config = service.WriteConfig(all => Section(all, "hsm")["pinFile"] = "open-pin", "open-pin.json");

        var result = await ServeAsync(config);

        Assert.Contains("open-pin", result.ExpectExit(3).Error, StringComparison.Ordinal);
        Assert.Contains("chmod", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_port_in_use_is_named()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var port = ((IPEndPoint)other.LocalEndpoint).Port;
        var config = service.WriteConfig(all => Section(all, "listen")["tcp"] = $"127.0.0.1:{port}", "port.json");

        var result = await ServeAsync(config);

        Assert.Contains($"{port}", result.ExpectExit(6).Error, StringComparison.Ordinal);
        Assert.Contains("in use", result.Error, StringComparison.Ordinal);
        Assert.Contains("listen.tcp", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_store_that_was_never_initialised_asks_for_init()
    {
        var config = service.WriteConfig(all => Section(all, "store")["sqlite"] = "empty.db", "empty.json");

        var result = await ServeAsync(config);

        Assert.Contains("init", result.ExpectExit(5).Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_token_without_a_root_key_asks_for_init()
    {
        var blank = Path.Combine(service.Directory, "blank");
        await Executables.MakeTokenAsync(blank);
        var config = service.WriteConfig(all => Section(all, "hsm")["pinFile"] = "blank/pin", "blank.json");

        var result = await ServeAsync(config, new Dictionary<string, string?> { ["SOFTHSM2_CONF"] = Path.Combine(blank, "softhsm2.conf") });

        Assert.Contains("init", result.ExpectExit(7).Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_unknown_key_in_the_configuration_is_named()
    {
        var config = service.WriteConfig(all => all["cleartext"] = true, "unknown.json");

        var result = await ServeAsync(config);

        Assert.Contains("cleartext", result.ExpectExit(2).Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_production_profile_is_refused_until_it_exists()
    {
        var config = service.WriteConfig(all => all["profile"] = "production", "production.json");

        var result = await ServeAsync(config);

        Assert.Contains("development", result.ExpectExit(2).Error, StringComparison.Ordinal);
    }

    private void WritePin(string name, string pin, UnixFileMode mode)
    {
        var path = Path.Combine(service.Directory, name);
        File.WriteAllText(path, pin);
        File.SetUnixFileMode(path, mode);
    }

    private static Dictionary<string, object?> Section(Dictionary<string, object?> config, string name) =>
        (Dictionary<string, object?>)config[name]!;

    private async Task<CommandResult> ServeAsync(string config, IReadOnlyDictionary<string, string?>? environment = null)
    {
        var result = await Executables.RunServerAsync(
            ["serve", "--config", config], environment ?? service.ServerEnvironment, service.Directory);
        // Whatever went wrong is a sentence, not a stack trace.
        Assert.DoesNotContain("   at ", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("Unhandled", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain(File.ReadAllText(Path.Combine(service.Directory, "pin")), result.Error, StringComparison.Ordinal);
        return result;
    }
}
