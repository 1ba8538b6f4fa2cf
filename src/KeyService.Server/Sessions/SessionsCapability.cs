using KeyService.Server.Hosting;

namespace KeyService.Server.Sessions;

/// <summary>What the capability adds to the services.</summary>
internal static class SessionsCapability
{
    public static IServiceCollection AddSessions(this IServiceCollection services, PeopleConfiguration configuration)
    {
        services.AddSingleton(configuration);
        services.AddSingleton<SecondFactors>();
        services.AddSingleton<PersonGate>();
        return services;
    }
}
