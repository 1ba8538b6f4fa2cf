using KeyService.Server.Holdings;
using KeyService.Server.Keys;

namespace KeyService.Server.Destruction;

/// <summary>
/// What the capability adds to the services. Another capability that knows of copies of key versions adds a
/// <see cref="SurvivingCopySource"/>.
/// </summary>
internal static class DestructionCapability
{
    public static IServiceCollection AddDestruction(this IServiceCollection services) => services
        .AddSingleton(provider => provider.GetRequiredService<KeyRing>().Uses)
        .AddSingleton<DestructionUse>()
        .AddSingleton<DependencySource>(provider => provider.GetRequiredService<DestructionUse>().OfVersionAsync)
        .AddSingleton<DestructionScan>()
        .AddSingleton<DestructionsService>()
        .AddHostedService<DestructionWatch>();
}
