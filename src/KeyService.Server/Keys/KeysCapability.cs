namespace KeyService.Server.Keys;

/// <summary>What the capability adds to the services. Needs the store, its row authenticator, page tokens and the HSM's token.</summary>
internal static class KeysCapability
{
    public static IServiceCollection AddKeys(this IServiceCollection services) => services
        .AddSingleton<KeyRing>()
        .AddSingleton<KeyMaker>()
        .AddSingleton<KeyChanges>()
        .AddSingleton<KeyQueries>()
        .AddSingleton<KeysService>();
}
