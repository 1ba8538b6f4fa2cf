using KeyService.Hsm;

namespace KeyService.Server.Backups;

/// <summary>What the capability adds to the services. Needs its configuration, the store, its row authenticator, the HSM's token and the alarms.</summary>
internal static class BackupsCapability
{
    public static IServiceCollection AddBackups(this IServiceCollection services) => services
        .AddSingleton(provider => BundleSigner.Of(provider.GetRequiredService<HsmToken>()))
        .AddSingleton<BackupGate>()
        .AddSingleton<BackupQueries>()
        .AddSingleton<BackupsService>()
        .AddSingleton<BackupWriter>()
        .AddHostedService(provider => provider.GetRequiredService<BackupWriter>());
}
