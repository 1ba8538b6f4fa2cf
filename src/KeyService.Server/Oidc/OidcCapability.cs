namespace KeyService.Server.Oidc;

/// <summary>What the capability adds to the services: nothing where no issuer is configured.</summary>
internal static class OidcCapability
{
    public static IServiceCollection AddOidc(this IServiceCollection services, OidcConfiguration? configuration) => configuration is null ? services : services
        .AddSingleton(configuration)
        .AddSingleton<OidcLog>()
        .AddSingleton<IssuerHttp>()
        .AddSingleton<IssuerFetch>(provider => provider.GetRequiredService<IssuerHttp>().FetchAsync)
        .AddSingleton<IssuerKeys>()
        .AddSingleton<AccessTokens>();
}
