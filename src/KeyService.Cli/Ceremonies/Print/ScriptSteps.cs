using KeyService.Crypto.Ceremonies;

namespace KeyService.Cli.Ceremonies;

/// <summary>A step as it was done: its text from the script, and what the transcript has of it.</summary>
/// <param name="What">What was read aloud; null when the script is another version's.</param>
internal sealed record ScriptStep(string Number, string Title, string? What, string? Undo, IReadOnlyList<TranscriptEntry> Entries);

/// <summary>Sorts a transcript's entries by the steps they belong to.</summary>
internal static class ScriptSteps
{
    /// <summary>In the script's order; steps that the script does not have come where they began.</summary>
    public static IReadOnlyList<ScriptStep> Of(PrintedCeremony ceremony)
    {
        var entries = new Dictionary<string, List<TranscriptEntry>>(StringComparer.Ordinal);
        var order = new List<string>(ceremony.Script?.Steps.Select(step => step.Name) ?? []);
        var current = order.FirstOrDefault("1");
        foreach (var entry in ceremony.Transcript.Entries.Where(each => each.Type != TranscriptEntryType.End))
        {
            // Facts, shares, files and people name no step: they belong to the one that is open.
            current = IsOfStep(entry) ? entry.Subject.Split('/')[0] : current;
            if (!order.Contains(current))
            {
                order.Add(current);
            }
            if (!entries.TryGetValue(current, out var list))
            {
                entries.Add(current, list = []);
            }
            list.Add(entry);
        }
        return [.. order.Select(number => Make(number, ceremony.Script?.Steps.FirstOrDefault(step => step.Name == number), entries.GetValueOrDefault(number) ?? []))];
    }

    private static ScriptStep Make(string number, CeremonyStep? step, List<TranscriptEntry> entries) => new(
        number, step?.Title ?? entries.Find(each => each.Type == TranscriptEntryType.Begin && each.Subject == number)?.Text ?? "A step", step?.What, step?.Undo, entries);

    private static bool IsOfStep(TranscriptEntry entry) => entry.Type is TranscriptEntryType.Begin or TranscriptEntryType.Done or TranscriptEntryType.Expect
        or TranscriptEntryType.Observe or TranscriptEntryType.Deviation;
}
