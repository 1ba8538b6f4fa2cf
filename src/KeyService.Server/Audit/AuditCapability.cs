using KeyService.Hsm;
using KeyService.Server.Audit.Export;
using KeyService.Server.Audit.Retention;
using KeyService.Server.Audit.Search;

namespace KeyService.Server.Audit;

/// <summary>What the capability adds to the services.</summary>
internal static class AuditCapability
{
    public static IServiceCollection AddAudit(this IServiceCollection services, AuditConfiguration configuration) => services
        .AddSingleton(configuration)
        .AddSingleton<AuditLog>()
        .AddHostedService<AuditMarker>()
        .AddSingleton(provider => CheckpointKeys.Of(provider.GetRequiredService<HsmToken>()))
        .AddSingleton<Cosignatures>()
        .AddSingleton<RecordProving>()
        .AddSingleton<Checkpoints>()
        .AddSingleton(CheckpointPusher.DestinationsOf(configuration))
        .AddSingleton<CheckpointPusher>()
        .AddHostedService(provider => provider.GetRequiredService<CheckpointPusher>())
        .AddSingleton<CheckpointWorker>()
        .AddHostedService(provider => provider.GetRequiredService<CheckpointWorker>())
        .AddSingleton<AuditSearch>()
        .AddSingleton<AuditRetention>()
        .AddHostedService<ArchiveWatch>()
        .AddHostedService<AuditIndexer>();
}
