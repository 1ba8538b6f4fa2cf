using KeyService.Server.Access;
using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.Ciphering;
using KeyService.Server.DataKeys;
using KeyService.Server.Keys;
using KeyService.Server.Pipeline;
using KeyService.Server.Rotation;
using KeyService.Server.Storage;
using KeyService.Server.SystemStatus;
using KeyService.Server.Trust;

namespace KeyService.Server.Hosting;

/// <summary>
/// The capabilities of the service, one line each: what they add to the services and which RPCs they map. A capability is one
/// folder; its Add… extension stands there.
/// </summary>
internal static class Capabilities
{
    public static IServiceCollection AddCapabilities(this IServiceCollection services)
    {
        services.AddStorage();
        services.AddAccess();
        services.AddAudit();
        services.AddAlarms();
        services.AddTrust();
        services.AddSystemStatus();
        services.AddKeys();
        services.AddRotation();
        services.AddDataKeys();
        services.AddCiphering();
        return services;
    }

    public static void MapCapabilities(this IEndpointRouteBuilder endpoints)
    {
        endpoints.MapRpc<AccessService>();
        endpoints.MapRpc<AuditService>();
        endpoints.MapRpc<StoreService>();
        endpoints.MapSystemStatus();
        endpoints.MapRpc<KeysService>();
        endpoints.MapRpc<RotationService>();
        endpoints.MapRpc<DataKeysService>();
        endpoints.MapRpc<CipherService>();
    }
}
