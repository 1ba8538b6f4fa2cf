using ConfigurationSection = KeyService.Server.Hosting.ConfigurationSection;

namespace KeyService.Server.AccessReviews;

/// <summary>Section "accessReview".</summary>
internal sealed record AccessReviewConfiguration
{
    /// <summary>When no review was closed for longer, an alarm says so; zero: none does.</summary>
    public TimeSpan Every { get; init; } = TimeSpan.FromDays(92);

    public static AccessReviewConfiguration Read(ConfigurationSection section)
    {
        var defaults = new AccessReviewConfiguration();
        var configuration = new AccessReviewConfiguration { Every = TimeSpan.FromDays(section.Whole("everyDays", 0, 366, (int)defaults.Every.TotalDays)) };
        section.Finish();
        return configuration;
    }
}
