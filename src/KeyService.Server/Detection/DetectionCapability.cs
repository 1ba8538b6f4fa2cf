using KeyService.Hsm;

namespace KeyService.Server.Detection;

/// <summary>What the capability adds to the services.</summary>
internal static class DetectionCapability
{
    /// <param name="configuration">Null: nothing is looked for; what was found before can still be read.</param>
    public static IServiceCollection AddDetection(this IServiceCollection services, DetectionConfiguration? configuration)
    {
        services.AddSingleton<FindingTable>();
        services.AddSingleton<SignOffTable>();
        services.AddSingleton<FindingReviews>();
        services.AddSingleton(provider => ReviewSigner.Of(provider.GetRequiredService<HsmToken>()));
        if (configuration is not null)
        {
            services.AddSingleton(configuration);
            services.AddSingleton<DetectionFollower>();
            services.AddSingleton<FindingAlarms>();
            services.AddHostedService<DetectionWorker>();
        }

        return services;
    }
}
