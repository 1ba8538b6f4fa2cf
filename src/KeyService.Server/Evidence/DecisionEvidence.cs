using KeyService.Protocol.V1;
using KeyService.Server.Hosting;
using KeyService.Server.Pipeline;

namespace KeyService.Server.Evidence;

/// <summary>What the site decided about addressable safeguards, as its file says when the pack is made.</summary>
internal sealed class DecisionEvidence(EvidenceConfiguration configuration, TimeProvider time)
{
    /// <exception cref="Refusal">DECISIONS_UNUSABLE: evidence without what the site has written down would be taken for all of it.</exception>
    public EvidenceItem Collect()
    {
        IReadOnlyList<SafeguardDecision> decisions = [];
        try
        {
            decisions = configuration.DecisionsFile is { } path ? DecisionsFile.Load(path) : [];
        }
        catch (ConfigurationException e)
        {
            throw new Refusal(Reason.DecisionsUnusable, $"The site's decisions on addressable safeguards (evidence.decisionsFile) cannot be used. {string.Join(' ', e.Findings.Take(3))}", e);
        }

        var standings = DecisionStanding.Of(decisions, DateOnly.FromDateTime(time.GetUtcNow().UtcDateTime));
        return EvidenceItem.OfLines(
            "decisions.csv", "Decisions on addressable safeguards", "164.306(d)(3)",
            (configuration.DecisionsFile is null
                ? "The site has given none: its configuration names no file of decisions. "
                : "What the site has written down, in its own words; the service does not check that it is so. ")
            + "Addressable specifications of 164.312 without a decision are listed as undecided, and decisions whose review is overdue are marked.",
            DecisionStanding.Header, [.. standings.Select(each => each.ToLine())]);
    }
}
