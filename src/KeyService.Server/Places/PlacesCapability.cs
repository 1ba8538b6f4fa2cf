using KeyService.Server.Storage;
using KeyService.Server.Trust;

namespace KeyService.Server.Places;

/// <summary>What the capability adds to the services.</summary>
internal static class PlacesCapability
{
    public static IServiceCollection AddPlaces(this IServiceCollection services)
    {
        services.AddSingleton<PlaceRegister>();
        services.AddSingleton<PlaceWatch>();
        services.AddHostedService(provider => provider.GetRequiredService<PlaceWatch>());
        services.AddSingleton(provider => Follow(provider.GetRequiredService<PlaceRegister>(), new PlaceTables(provider.GetRequiredService<RowAuthenticator>())));
        return services;
    }

    private static FollowedTable Follow(PlaceRegister register, PlaceTables tables) => new(
        PlaceTables.Policies,
        async (connection, principals, cancellationToken) =>
        {
            foreach (var principal in principals)
            {
                if (await tables.FindPolicyAsync(connection, null, principal, cancellationToken) is { } policy)
                {
                    register.Apply(policy);
                }
            }
        },
        async (connection, cancellationToken) => register.Take(await tables.ListPoliciesAsync(connection, cancellationToken)));
}
