namespace KeyService.Server.DataKeys;

/// <summary>What the capability adds to the services.</summary>
internal static class DataKeysCapability
{
    public static IServiceCollection AddDataKeys(this IServiceCollection services) => services
        .AddSingleton<DataKeyMaker>()
        .AddSingleton<DataKeyRewrapping>()
        .AddSingleton<LeaseJudge>()
        .AddSingleton<LeaseWatching>()
        .AddSingleton<UseReports>()
        .AddSingleton<DataKeysService>();
}
