using KeyService.Server.Pipeline;

namespace KeyService.Server.SystemStatus;

/// <summary>Registers status RPCs, health and reflection.</summary>
internal static class SystemStatusHosting
{
    public static IServiceCollection AddSystemStatus(this IServiceCollection services)
    {
        services.AddSingleton(provider => new ServerStart(provider.GetRequiredService<TimeProvider>().GetUtcNow()));
        services.AddSingleton<HealthLog>();
        services.AddSingleton<ServerHealth>();
        services.AddSingleton<HealthProbe>();
        services.AddHostedService(provider => provider.GetRequiredService<HealthProbe>());
        services.AddGrpcReflection();
        return services;
    }

    public static void MapSystemStatus(this IEndpointRouteBuilder endpoints)
    {
        // Made now, not when somebody first asks for the status.
        _ = endpoints.ServiceProvider.GetRequiredService<ServerStart>();
        endpoints.MapRpc<SystemRpcs>();
        endpoints.MapGrpcService<ServerHealth>();
        endpoints.MapGrpcReflectionService().WithMetadata(new OutsideAuditAttribute());
    }
}
