using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Reflection.V1Alpha;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.Transport;

public sealed class UnixSocketTests(ServiceFixture service) : IClassFixture<ServiceFixture>
{
    [Fact]
    public async Task The_user_of_the_socket_is_nobody_until_registered_and_then_that_principal()
    {
        using var channel = GrpcClients.ConnectUnix(service.SocketPath);
        var access = new Access.AccessClient(channel);
        var refusal = await Assert.ThrowsAsync<RpcException>(async () => await access.WhoAmIAsync(new WhoAmIRequest()));
        Assert.Equal(StatusCode.Unauthenticated, refusal.StatusCode);

        await service.RegisterUnixUserAsync("local-user");
        Assert.Equal("local-user", (await access.WhoAmIAsync(new WhoAmIRequest())).Principal.Name);
    }

    [Fact]
    public void Only_owner_and_group_may_connect() => Assert.Equal(
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite,
        File.GetUnixFileMode(service.SocketPath));

    [Fact]
    public async Task Health_is_told_to_whoever_reaches_the_socket()
    {
        using var channel = GrpcClients.ConnectUnix(service.SocketPath);
        var health = new Health.HealthClient(channel);
        foreach (var name in new[] { "", "keyservice.v1.DataKeys", "keyservice.v1.Cipher" })
            Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving,
                (await health.CheckAsync(new HealthCheckRequest { Service = name })).Status);
    }

    [Fact]
    public async Task Reflection_names_every_service()
    {
        using var channel = GrpcClients.ConnectUnix(service.SocketPath);
        using var call = new ServerReflection.ServerReflectionClient(channel).ServerReflectionInfo();
        await call.RequestStream.WriteAsync(new ServerReflectionRequest { ListServices = "" });
        Assert.True(await call.ResponseStream.MoveNext());
        var names = call.ResponseStream.Current.ListServicesResponse.Service.Select(one => one.Name).ToList();
        foreach (var name in new[] { "Access", "Audit", "Cipher", "DataKeys", "Keys", "System" })
            Assert.Contains($"keyservice.v1.{name}", names);
        Assert.Contains("grpc.health.v1.Health", names);
    }

    [Fact]
    public async Task A_server_without_TCP_needs_no_certificates_and_says_how_it_is()
    {
        await using var local = new ServiceFixture();
        await local.ProvisionAsync();
        local.WriteConfig(config =>
        {
            config["listen"] = new Dictionary<string, object?> { ["unixSocket"] = "keyservice.sock" };
            config.Remove("tls");
        });
        await local.StartAsync();
        using var channel = GrpcClients.ConnectUnix(local.SocketPath);
        Assert.Equal(
            HealthCheckResponse.Types.ServingStatus.Serving, (await new Health.HealthClient(channel).CheckAsync(new HealthCheckRequest())).Status);
        // Nobody is registered for this user yet; that the answer is a refusal and no defect is what is looked at.
        var refusal = await Assert.ThrowsAsync<RpcException>(
            async () => await new Protocol.V1.System.SystemClient(channel).GetStatusAsync(new GetStatusRequest()));
        Assert.Equal(StatusCode.Unauthenticated, refusal.StatusCode);
    }
}
