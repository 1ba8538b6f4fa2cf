using KeyService.Server.Evidence;

namespace KeyService.Server.Hosting;

/// <summary>Whether the site's decisions on addressable safeguards can be read, and which of them somebody has to look at.</summary>
internal static class DecisionsCheck
{
    private const string Check = "evidence";

    public static IEnumerable<Finding> Run(EvidenceConfiguration evidence, DateTimeOffset now)
    {
        if (evidence.DecisionsFile is not { } path)
            yield break;
        IReadOnlyList<SafeguardDecision> decisions = [];
        ConfigurationException? unusable = null;
        try
        {
            decisions = DecisionsFile.Load(path);
        }
        catch (ConfigurationException exception)
        {
            unusable = exception;
        }
        if (unusable is not null)
        {
            foreach (var finding in unusable.Findings)
                yield return Finding.Problem(Check, $"{path}: {finding}", "Correct it; docs/operations.md says how it is written. Until then no evidence pack is made.");
            yield break;
        }
        var open = DecisionStanding.Of(decisions, DateOnly.FromDateTime(now.UtcDateTime)).Where(each => each.IsOpen).ToList();
        foreach (var each in open)
            yield return Finding.Warning(Check, $"{each.Safeguard.Paragraph}, {each.Safeguard.Title}: {each.Standing}.", $"Decide, and write it into {path}.");
        if (open.Count == 0)
            yield return Finding.Good(Check, $"{path}: {decisions.Count} decisions, none overdue.");
    }
}
