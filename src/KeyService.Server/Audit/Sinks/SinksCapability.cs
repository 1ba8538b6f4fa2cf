namespace KeyService.Server.Audit.Sinks;

/// <summary>What the capability adds to the services.</summary>
internal static class SinksCapability
{
    public static IServiceCollection AddSinks(this IServiceCollection services, SinksConfiguration configuration) => services
        .AddSingleton(configuration)
        .AddSingleton<SinkWorker>()
        .AddHostedService(provider => provider.GetRequiredService<SinkWorker>())
        .AddHostedService<SinkTelemetry>();
}
