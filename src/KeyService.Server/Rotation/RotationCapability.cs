using KeyService.Server.Backups;

namespace KeyService.Server.Rotation;

/// <summary>What the capability adds to the services.</summary>
internal static class RotationCapability
{
    public static IServiceCollection AddRotation(this IServiceCollection services) => services
        .AddSingleton(provider =>
        {
            var backups = provider.GetRequiredService<BackupGate>();
            return new ActivationGate(backups.Required, backups.IsOpenAsync, provider.GetRequiredService<BackupWriter>().Wake);
        })
        .AddSingleton<RotationLedger>()
        .AddSingleton<KeyRotation>()
        .AddSingleton<RotationWorker>()
        .AddHostedService(provider => provider.GetRequiredService<RotationWorker>())
        .AddSingleton<RotationService>();
}
