namespace KeyService.Server.Ciphering;

/// <summary>What the capability adds to the services.</summary>
internal static class CipheringCapability
{
    public static IServiceCollection AddCiphering(this IServiceCollection services) => services
        .AddSingleton<FieldEncryption>()
        .AddSingleton<FieldDecryption>()
        .AddSingleton<FieldReencryption>()
        .AddSingleton<ArchiveEncryption>()
        .AddSingleton<ArchiveDecryption>()
        .AddSingleton<CipherService>();
}
