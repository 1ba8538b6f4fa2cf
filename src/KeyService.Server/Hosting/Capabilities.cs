using KeyService.Server.Access;
using KeyService.Server.AccessReviews;
using KeyService.Server.Alarms;
using KeyService.Server.Approvals;
using KeyService.Server.Audit;
using KeyService.Server.Audit.Retention;
using KeyService.Server.Audit.Sinks;
using KeyService.Server.Certificates;
using KeyService.Server.Backups;
using KeyService.Server.BreakGlass;
using KeyService.Server.Ceremonies;
using KeyService.Server.Ciphering;
using KeyService.Server.DataKeys;
using KeyService.Server.Destruction;
using KeyService.Server.Evidence;
using KeyService.Server.Detection;
using KeyService.Server.Holdings;
using KeyService.Server.Keys;
using KeyService.Server.Oidc;
using KeyService.Server.Pipeline;
using KeyService.Server.Places;
using KeyService.Server.Rotation;
using KeyService.Server.Sessions;
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
    public static IServiceCollection AddCapabilities(this IServiceCollection services, ServerConfiguration configuration)
    {
        services.AddStorage();
        services.AddAccess();
        services.AddAccessReviews(configuration.AccessReview);
        services.AddSessions(configuration.People);
        services.AddPlaces();
        services.AddBreakGlass(configuration.BreakGlass);
        services.AddOidc(configuration.Oidc);
        services.AddAudit(configuration.Audit);
        services.AddSinks(configuration.Sinks);
        services.AddDetection(configuration.Detection);
        services.AddAlarms(configuration.Alarms);
        services.AddCertificates();
        services.AddTrust();
        services.AddSystemStatus();
        services.AddKeys();
        services.AddRotation();
        services.AddBackups();
        services.AddCeremonies(configuration.Ceremonies);
        services.AddDataKeys();
        services.AddCiphering();
        services.AddHoldings();
        services.AddDestruction();
        services.AddApprovals();
        services.AddEvidence(configuration.Evidence);
        return services;
    }

    public static void MapCapabilities(this IEndpointRouteBuilder endpoints)
    {
        endpoints.MapRpc<AccessService>();
        endpoints.MapRpc<AccessReviewsService>();
        endpoints.MapRpc<SessionsService>();
        endpoints.MapRpc<PlacesService>();
        endpoints.MapRpc<BreakGlassService>();
        endpoints.MapRpc<AuditService>();
        endpoints.MapRpc<RetentionService>();
        endpoints.MapRpc<SinksService>();
        endpoints.MapRpc<ReviewsService>();
        endpoints.MapRpc<StoreService>();
        endpoints.MapRpc<AlarmsService>();
        endpoints.MapSystemStatus();
        endpoints.MapRpc<KeysService>();
        endpoints.MapRpc<RotationService>();
        endpoints.MapRpc<BackupsService>();
        endpoints.MapRpc<CeremoniesService>();
        endpoints.MapRpc<DataKeysService>();
        endpoints.MapRpc<CipherService>();
        endpoints.MapRpc<HoldingsService>();
        endpoints.MapRpc<DestructionsService>();
        endpoints.MapRpc<ApprovalsService>();
        endpoints.MapRpc<EvidenceService>();
    }
}
