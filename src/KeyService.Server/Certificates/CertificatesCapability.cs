namespace KeyService.Server.Certificates;

/// <summary>What the capability adds to the services.</summary>
internal static class CertificatesCapability
{
    public static IServiceCollection AddCertificates(this IServiceCollection services) => services
        .AddSingleton<CertificateLedger>()
        .AddSingleton<CertificateWatch>()
        .AddSingleton<CertificateListing>()
        .AddHostedService(provider => provider.GetRequiredService<CertificateWatch>());
}
