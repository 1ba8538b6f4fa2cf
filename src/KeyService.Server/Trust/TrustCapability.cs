using KeyService.Server.Access;
using KeyService.Server.Alarms;
using KeyService.Server.Hosting;
using KeyService.Server.Keys;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Postgres;

namespace KeyService.Server.Trust;

/// <summary>What the capability adds to the services.</summary>
internal static class TrustCapability
{
    public static IServiceCollection AddTrust(this IServiceCollection services)
    {
        services.AddSingleton<StoreTrust>();
        services.AddSingleton<ProtectionGate>();
        services.AddSingleton(provider => new ClockGuard(
            provider.GetRequiredService<TimeProvider>(), TimeSpan.FromSeconds(provider.GetRequiredService<LimitsConfiguration>().ClockToleranceSeconds)));
        services.AddSingleton(provider => new StoreAccount(
            provider.GetRequiredService<IStore>(), provider.GetRequiredService<RowAuthenticator>(), DecidingTables.All,
            provider.GetRequiredService<TrustFiles>().ScrubDirectory));
        services.AddSingleton(provider => new Scrub(
            provider.GetRequiredService<IStore>(), provider.GetRequiredService<RowAuthenticator>(), DecidingTables.All,
            provider.GetRequiredService<TrustFiles>().ScrubDirectory, provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<StoreWatch>();
        services.AddHostedService(provider => provider.GetRequiredService<StoreWatch>());
        services.AddSingleton(provider => new ChangeFollower(
            provider.GetRequiredService<IStore>(),
            FollowedTables.Of(provider.GetRequiredService<KeyRing>(), provider.GetRequiredService<AccessRegister>(), provider.GetRequiredService<RowAuthenticator>())
                .Concat(provider.GetServices<FollowedTable>()),
            provider.GetRequiredService<StoreWatch>(), provider.GetRequiredService<AlarmOutlet>(), provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILogger<ChangeFollower>>()));
        services.AddHostedService(provider => provider.GetRequiredService<ChangeFollower>());
        services.AddHostedService<RestoreRotation>();
        services.AddSingleton<ScrubWorker>();
        services.AddHostedService(provider => provider.GetRequiredService<ScrubWorker>());
        return services;
    }

    /// <summary>Connects what stands below with what watches over it; before the server serves.</summary>
    /// <param name="store">The store itself, not what observes it.</param>
    public static void ConnectTrust(this IServiceProvider services, IStore store)
    {
        var keys = services.GetRequiredService<KeyRing>();
        var follower = services.GetRequiredService<ChangeFollower>();
        keys.Gate = services.GetRequiredService<ProtectionGate>();
        services.GetRequiredService<StoreTrust>().WhenAccepted = () =>
        {
            keys.BeginAnew();
            follower.BeginAnew();
        };
        if (store is PostgresStore shared)
        {
            shared.Hooks.BeforeChanges = connection => follower.CatchUpAsync(connection, CancellationToken.None);
            follower.Listen = shared.ListenAsync;
        }
    }
}
