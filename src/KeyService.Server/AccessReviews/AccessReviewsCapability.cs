namespace KeyService.Server.AccessReviews;

/// <summary>What the capability adds to the services. Results are signed by the key for reviews, which Detection adds.</summary>
internal static class AccessReviewsCapability
{
    public static IServiceCollection AddAccessReviews(this IServiceCollection services, AccessReviewConfiguration configuration) => services
        .AddSingleton(configuration)
        .AddSingleton<AccessReviewTable>()
        .AddSingleton<AccessReviewItemTable>()
        .AddSingleton<AccessReviewCampaign>()
        .AddSingleton<AccessReviewDeadline>()
        .AddSingleton<AccessReviewAlarms>()
        .AddHostedService<AccessReviewWorker>();
}
