using Grpc.Health.V1;
using Grpc.Net.Client;

namespace KeyService.IntegrationTests.BadDays;

/// <summary>Asks grpc.health.v1 as a load balancer would.</summary>
internal sealed class HealthChannel(ServiceFixture service) : IDisposable
{
    private readonly GrpcChannel channel = service.ConnectAs("administrator");

    public Task BecomesAsync(HealthCheckResponse.Types.ServingStatus status) => Until.TrueAsync(
        async () => (await new Health.HealthClient(channel).CheckAsync(new HealthCheckRequest())).Status == status, $"health {status}");

    public void Dispose() => channel.Dispose();
}
