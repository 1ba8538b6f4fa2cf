namespace KeyService.Server.Access;

/// <summary>What the capability adds to the services. The register itself is loaded at start-up and added there.</summary>
internal static class AccessCapability
{
    public static IServiceCollection AddAccess(this IServiceCollection services) => services
        .AddSingleton<AccessAdministration>()
        .AddSingleton<LeaverReports>()
        .AddSingleton(provider =>
        {
            var quotas = ActivatorUtilities.CreateInstance<QuotaBook>(provider);
            provider.GetRequiredService<AccessRegister>().Spent = quotas.FindSpent;
            return quotas;
        });
}
