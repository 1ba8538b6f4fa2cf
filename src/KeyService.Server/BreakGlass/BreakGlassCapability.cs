using KeyService.Server.Hosting;
using KeyService.Server.Storage;
using KeyService.Server.Trust;

namespace KeyService.Server.BreakGlass;

/// <summary>What the capability adds to the services.</summary>
internal static class BreakGlassCapability
{
    public static IServiceCollection AddBreakGlass(this IServiceCollection services, BreakGlassConfiguration configuration)
    {
        services.AddSingleton(configuration);
        services.AddSingleton<BreakGlassRegister>();
        services.AddSingleton<BreakGlassKeeper>();
        services.AddHostedService(provider => provider.GetRequiredService<BreakGlassKeeper>());
        services.AddSingleton<BreakGlassService>();
        services.AddSingleton(provider => Follow(provider.GetRequiredService<BreakGlassRegister>(), new BreakGlassTable(provider.GetRequiredService<RowAuthenticator>())));
        return services;
    }

    private static FollowedTable Follow(BreakGlassRegister register, BreakGlassTable table) => new(
        BreakGlassTable.Name,
        async (connection, ids, cancellationToken) =>
        {
            foreach (var id in ids)
            {
                if (await table.FindAsync(connection, null, ulong.Parse(id, System.Globalization.NumberStyles.HexNumber, System.Globalization.CultureInfo.InvariantCulture), cancellationToken) is { } use)
                {
                    register.Apply(use);
                }
            }
        },
        async (connection, cancellationToken) => register.Take(await table.ListAsync(connection, null, cancellationToken)));
}
