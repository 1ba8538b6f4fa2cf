using System.Net.Http.Headers;
using Grpc.Core;
using Grpc.Net.Client;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.BadInput;

/// <summary>
/// Who may not connect is refused, with a sentence where a sentence can still be carried: in the answer, or in the server's log.
/// </summary>
public sealed class ConnectionTests(ServiceFixture service) : IClassFixture<ServiceFixture>
{
    [Fact]
    public async Task An_unregistered_certificate_is_told_to_register()
    {
        var stranger = await service.IssueClientAsync("stranger");

        var error = await RefusedAsync(service.ConnectAs("stranger"));
        var cli = await service.RunCliAsync(stranger, "key", "list");

        Assert.Equal(StatusCode.Unauthenticated, error.StatusCode);
        Assert.Contains("No registered principal stands behind this connection", error.Status.Detail, StringComparison.Ordinal);
        Assert.Contains("No registered principal", cli.ExpectExit(3).Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_expired_certificate_does_not_get_through_the_handshake()
    {
        var expired = await service.IssueClientAsync("expired", days: 0);

        var error = await RefusedAsync(service.ConnectAs("expired"));
        var cli = await service.RunCliAsync(expired, "key", "list");

        AssertNoAnswer(error);
        await service.WaitForLogAsync("Refused the client certificate CN=expired");
        Assert.Contains("NotTimeValid", service.ServerLog, StringComparison.Ordinal);
        Assert.NotEqual(0, cli.ExitCode);
        Assert.Contains("certificate", cli.Error, StringComparison.Ordinal);
        Assert.Contains("expired", cli.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_certificate_of_another_CA_does_not_get_through_the_handshake()
    {
        // The same name and SAN URI as a registered principal, signed by a CA that is not ours.
        var foreign = Path.Combine(service.Directory, "foreign");
        await Executables.MakePkiAsync(foreign);

        var error = await RefusedAsync(GrpcClients.Connect(
            service.Endpoint, service.CaPath, Path.Combine(foreign, "database.crt"), Path.Combine(foreign, "database.key")));

        AssertNoAnswer(error);
        await service.WaitForLogAsync("Refused the client certificate CN=database");
    }

    [Fact]
    public async Task No_certificate_does_not_get_through_the_handshake()
    {
        var error = await RefusedAsync(GrpcClients.Connect(service.Endpoint, service.CaPath, certificatePath: null, keyPath: null));

        AssertNoAnswer(error);
    }

    [Fact]
    public async Task A_server_certificate_serves_as_no_client()
    {
        var pki = Path.Combine(service.Directory, "pki");

        var error = await RefusedAsync(GrpcClients.Connect(
            service.Endpoint, service.CaPath, Path.Combine(pki, "server.crt"), Path.Combine(pki, "server.key")));

        AssertNoAnswer(error);
        await service.WaitForLogAsync("Refused the client certificate CN=localhost");
    }

    [Fact]
    public async Task Cleartext_HTTP2_on_TCP_gets_no_answer()
    {
        using var channel = GrpcChannel.ForAddress($"http://localhost:{service.Port}");

        var error = await RefusedAsync(channel);

        AssertNoAnswer(error);
    }

    [Fact]
    public async Task Cleartext_HTTP1_on_TCP_gets_no_answer()
    {
        using var http = new HttpClient();
        http.DefaultRequestHeaders.Accept.Add(new MediaTypeWithQualityHeaderValue("text/html"));

        await Assert.ThrowsAsync<HttpRequestException>(() => http.GetAsync(new Uri($"http://localhost:{service.Port}/")));
    }

    [Fact]
    public async Task The_command_refuses_a_cleartext_endpoint_and_says_what_to_write()
    {
        var profile = Path.Combine(service.Directory, "cleartext.json");
        await File.WriteAllTextAsync(profile, $$"""{ "endpoint": "http://localhost:{{service.Port}}" }""");

        var result = await Executables.RunCliAsync(["key", "list"], new Dictionary<string, string?> { ["KEYSERVICE_PROFILE"] = profile });

        Assert.NotEqual(0, result.ExitCode);
        Assert.Contains("https://", result.Error, StringComparison.Ordinal);
        Assert.Contains("Cleartext", result.Error, StringComparison.Ordinal);
    }

    // The connection ended before anybody answered; a refusal by the service would carry its reason.
    private static void AssertNoAnswer(RpcException error)
    {
        Assert.Contains(error.StatusCode, new[] { StatusCode.Unavailable, StatusCode.Internal });
        Assert.StartsWith("Error starting gRPC call", error.Status.Detail, StringComparison.Ordinal);
        Assert.Null(error.GetRpcStatus());
    }

    private static async Task<RpcException> RefusedAsync(GrpcChannel channel)
    {
        using (channel)
        {
            var call = new Access.AccessClient(channel).WhoAmIAsync(new WhoAmIRequest(), deadline: DateTime.UtcNow.AddSeconds(30));
            return await Assert.ThrowsAsync<RpcException>(async () => await call);
        }
    }
}
