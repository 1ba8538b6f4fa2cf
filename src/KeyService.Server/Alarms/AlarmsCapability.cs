using KeyService.Server.Hosting;

namespace KeyService.Server.Alarms;

/// <summary>What the capability adds to the services.</summary>
internal static class AlarmsCapability
{
    public static IServiceCollection AddAlarms(this IServiceCollection services, AlarmsConfiguration configuration)
    {
        services.AddSingleton(configuration);
        services.AddSingleton<AlarmView>();
        services.AddSingleton<AlarmTeller>();
        services.AddSingleton<AlarmBook>();
        services.AddSingleton<AlarmOutlet>();
        services.AddHostedService<AlarmTelemetry>();
        services.AddSingleton<AlarmKeeper>();
        services.AddHostedService(provider => provider.GetRequiredService<AlarmKeeper>());
        if (configuration.Webhook is { } webhook)
        {
            services.AddSingleton(webhook);
            services.AddSingleton<WebhookQueue>();
            services.AddHostedService(provider => provider.GetRequiredService<WebhookQueue>());
        }

        return services;
    }
}
