namespace KeyService.Server.Storage;

/// <summary>What the capability adds to the services beside the store and the row authenticator, which start-up makes.</summary>
internal static class StorageCapability
{
    public static IServiceCollection AddStorage(this IServiceCollection services) => services.AddSingleton<PageTokens>().AddSingleton<RequestLedger>();
}
