namespace KeyService.Server.Ceremonies;

/// <summary>What the capability adds to the services.</summary>
internal static class CeremoniesCapability
{
    public static IServiceCollection AddCeremonies(this IServiceCollection services, CeremonyConfiguration configuration) => services
        .AddSingleton(configuration)
        .AddSingleton<CeremonyTable>()
        .AddSingleton<CeremonySchedule>()
        .AddHostedService<CeremonyWorker>();
}
