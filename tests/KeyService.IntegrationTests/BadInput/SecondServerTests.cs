using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.BadInput;

/// <summary>Two servers on one SQLite file would write over each other.</summary>
public sealed class SecondServerTests(ServiceFixture service) : IClassFixture<ServiceFixture>
{
    [Fact]
    public async Task A_second_server_on_the_same_store_is_refused_and_the_first_goes_on_undisturbed()
    {
        await service.CreateKeyAsync("first/key");
        await service.RegisterUnixUserAsync("this-user");
        var config = service.WriteConfig(
            all => ((Dictionary<string, object?>)all["listen"]!)["tcp"] = $"127.0.0.1:{ServiceFixture.FreePort()}", "second.json");

        var result = await Executables.RunServerAsync(["serve", "--config", config], service.ServerEnvironment, service.Directory);

        Assert.Contains("in use", result.ExpectExit(6).Error, StringComparison.Ordinal);
        Assert.Contains(service.StorePath, result.Error, StringComparison.Ordinal);
        using var tcp = service.ConnectAs("database");
        await new Cipher.CipherClient(tcp).EncryptAsync(new EncryptRequest { Key = "first/key" });
        // The second one's configuration names the same socket: the first must still be reachable there.
        using var unix = GrpcClients.ConnectUnix(service.SocketPath);
        await new Cipher.CipherClient(unix).EncryptAsync(new EncryptRequest { Key = "first/key" });
    }
}
