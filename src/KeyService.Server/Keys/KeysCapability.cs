using KeyService.Hsm;
using KeyService.Server.Hosting;
using KeyService.Server.Storage;

namespace KeyService.Server.Keys;

/// <summary>What the capability adds to the services. Needs the store, its row authenticator, page tokens and the HSM's token.</summary>
internal static class KeysCapability
{
    public static IServiceCollection AddKeys(this IServiceCollection services) => services
        .AddSingleton(services => new KeyRing(
            services.GetRequiredService<IStore>(), services.GetRequiredService<RowAuthenticator>(), services.GetRequiredService<HsmToken>(),
            services.GetRequiredService<TimeProvider>(), services.GetRequiredService<LimitsConfiguration>().CachedKeyVersions))
        .AddSingleton<KeyUseMeter>()
        .AddHostedService(services => services.GetRequiredService<KeyUseMeter>())
        .AddSingleton<KeyMaker>()
        .AddSingleton<KeyChanges>()
        .AddSingleton<KeyQueries>()
        .AddSingleton<KeysService>();
}
