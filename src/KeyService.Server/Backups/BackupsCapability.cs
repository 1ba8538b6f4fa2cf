using KeyService.Hsm;
using KeyService.Server.Destruction;

namespace KeyService.Server.Backups;

/// <summary>What the capability adds to the services. Needs its configuration, the store, its row authenticator, the HSM's token and the alarms.</summary>
internal static class BackupsCapability
{
    public static IServiceCollection AddBackups(this IServiceCollection services) => services
        .AddSingleton(provider => BundleSigner.Of(provider.GetRequiredService<HsmToken>()))
        .AddSingleton<BackupGate>()
        .AddSingleton<SurvivingCopySource>(provider =>
        {
            var gate = provider.GetRequiredService<BackupGate>();
            return async (version, cancellationToken) =>
                [.. (await gate.DestinationsAsync(version, cancellationToken)).Select(destination => $"backup bundles at {destination}")];
        })
        .AddSingleton<BackupQueries>()
        .AddSingleton<BundleSelection>()
        .AddSingleton<BackupsService>()
        .AddSingleton<BackupWriter>()
        .AddHostedService(provider => provider.GetRequiredService<BackupWriter>());
}
