namespace KeyService.Server.Holdings;

/// <summary>
/// What the capability adds to the services. Another capability that knows of something that needs key versions adds a
/// <see cref="DependencySource"/>.
/// </summary>
internal static class HoldingsCapability
{
    public static IServiceCollection AddHoldings(this IServiceCollection services) => services
        .AddSingleton<Dependencies>()
        .AddSingleton<HoldingChanges>()
        .AddSingleton<CampaignProving>()
        .AddSingleton<CampaignChanges>()
        .AddSingleton<HoldingsService>();
}
