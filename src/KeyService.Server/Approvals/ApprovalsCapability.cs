namespace KeyService.Server.Approvals;

/// <summary>What the capability adds to the services.</summary>
internal static class ApprovalsCapability
{
    public static IServiceCollection AddApprovals(this IServiceCollection services) =>
        services.AddSingleton<ApprovalAdministration>().AddSingleton<ApprovalsService>()
        .AddHostedService<RosterNotice>();
}
