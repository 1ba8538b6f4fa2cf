using Grpc.Core;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.BadInput;

/// <summary>Two servers on one SQLite file would write over each other.</summary>
public sealed class SecondServerTests(ServiceFixture service) : IClassFixture<ServiceFixture>
{
    [Theory]
    [InlineData("second.sock", "keyservice.db")]
    [InlineData("keyservice.sock", "keyservice.sock")]
    public async Task A_second_server_on_the_same_store_is_refused_and_the_first_goes_on_undisturbed(string socket, string inUse)
    {
        var key = $"first/{socket}";
        await service.CreateKeyAsync(key);
        var config = service.WriteConfig(
            all => all["listen"] = new Dictionary<string, object?>
            {
                ["tcp"] = $"127.0.0.1:{ServiceFixture.FreePort()}", ["unixSocket"] = socket,
            },
            "second.json");

        var result = await Executables.RunServerAsync(["serve", "--config", config], service.ServerEnvironment, service.Directory);

        Assert.Contains(Path.Combine(service.Directory, inUse), result.ExpectExit(6).Error, StringComparison.Ordinal);
        using var tcp = service.ConnectAs("database");
        await new Cipher.CipherClient(tcp).EncryptAsync(new EncryptRequest { Key = key });
        // The first must still be reachable on its socket: nobody is registered for this user's uid there, and that is its answer.
        using var unix = GrpcClients.ConnectUnix(service.SocketPath);
        var answer = await Assert.ThrowsAsync<RpcException>(
            async () => await new Cipher.CipherClient(unix).EncryptAsync(new EncryptRequest { Key = key }));
        Assert.Equal(StatusCode.Unauthenticated, answer.StatusCode);
    }
}
