using Grpc.Core;
using Grpc.Health.V1;
using Grpc.HealthCheck;
using KeyService.Server.Pipeline;

namespace KeyService.Server.SystemStatus;

/// <summary>grpc.health.v1. A watcher is told NOT_SERVING and then let go when the server stops; it would keep it waiting.</summary>
[OutsideAudit]
internal sealed class ServerHealth(IHostApplicationLifetime lifetime, TimeProvider time) : HealthServiceImpl
{
    private static readonly TimeSpan LastWord = TimeSpan.FromMilliseconds(500);

    public override async Task Watch(
        HealthCheckRequest request, IServerStreamWriter<HealthCheckResponse> responseStream, ServerCallContext context)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken);
        var watching = base.Watch(request, responseStream, context);
        if (await Task.WhenAny(watching, StopAsync(ended.Token)) == watching)
        {
            await ended.CancelAsync();
            await watching;
            return;
        }
        throw new RpcException(new Status(StatusCode.Unavailable, "The server is shutting down."));
    }

    private async Task StopAsync(CancellationToken ended)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ended, lifetime.ApplicationStopping);
        var stopping = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var _ = either.Token.Register(stopping.SetResult);
        await stopping.Task;
        if (!ended.IsCancellationRequested)
            await Task.Delay(LastWord, time, CancellationToken.None);
    }
}
