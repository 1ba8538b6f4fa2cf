using KeyService.Hsm;

namespace KeyService.Server.Evidence;

/// <summary>What the capability adds to the services.</summary>
internal static class EvidenceCapability
{
    public static IServiceCollection AddEvidence(this IServiceCollection services, EvidenceConfiguration configuration) => services
        .AddSingleton(configuration)
        .AddSingleton(provider => EvidenceSigner.Of(provider.GetRequiredService<HsmToken>()))
        .AddSingleton<ReviewEvidence>()
        .AddSingleton<AccessReviewEvidence>()
        .AddSingleton<CeremonyEvidence>()
        .AddSingleton<RotationEvidence>()
        .AddSingleton<DecisionEvidence>()
        .AddSingleton<LogEvidence>()
        .AddSingleton<EvidenceCollector>();
}
