namespace KeyService.Server.Alarms;

/// <summary>What the capability adds to the services.</summary>
internal static class AlarmsCapability
{
    public static IServiceCollection AddAlarms(this IServiceCollection services) => services.AddSingleton<AlarmOutlet>();
}
