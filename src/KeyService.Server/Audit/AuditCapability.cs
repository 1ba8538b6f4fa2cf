using KeyService.Server.Audit.Search;

namespace KeyService.Server.Audit;

/// <summary>What the capability adds to the services.</summary>
internal static class AuditCapability
{
    public static IServiceCollection AddAudit(this IServiceCollection services) => services
        .AddSingleton<AuditLog>().AddHostedService<AuditMarker>()
        .AddSingleton<AuditSearch>().AddHostedService<AuditIndexer>();
}
