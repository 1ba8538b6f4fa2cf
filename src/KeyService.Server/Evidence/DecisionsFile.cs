using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using KeyService.Server.Hosting;
using ConfigurationSection = KeyService.Server.Hosting.ConfigurationSection;

namespace KeyService.Server.Evidence;

/// <summary>
/// The file in which a site keeps its decisions on addressable safeguards, read as strictly as the configuration: an unknown key, a wrong type or a
/// missing one is an error with its name. docs/operations.md.
/// <code>{ "decisions": [ { "paragraph", "safeguard", "decision", "rationale", "decidedBy", "date", "nextReview" } ] }</code>
/// </summary>
internal static partial class DecisionsFile
{
    /// <summary>Decisions in a file.</summary>
    public const int MaxDecisions = 500;

    private const int MaxBytes = 1024 * 1024;
    private const int MaxNameLength = 200;
    private const int MaxRationaleLength = 4000;
    private const string DayFormat = "yyyy-MM-dd";

    /// <exception cref="ConfigurationException">With every finding.</exception>
    public static IReadOnlyList<SafeguardDecision> Load(string path)
    {
        string text;
        try
        {
            if (new FileInfo(path) is { Exists: true, Length: > MaxBytes })
            {
                throw new ConfigurationException(path, ["The file is larger than 1 MiB."]);
            }

            text = File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ConfigurationException(path, [$"The file cannot be read: {e.Message}"]);
        }

        return Parse(path, text);
    }

    /// <param name="path">For messages.</param>
    /// <param name="text">JSON; comments and trailing commas are allowed.</param>
    /// <exception cref="ConfigurationException">With every finding.</exception>
    public static IReadOnlyList<SafeguardDecision> Parse(string path, string text)
    {
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(text, new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
        }
        catch (JsonException e)
        {
            throw new ConfigurationException(path, [$"Not JSON, line {e.LineNumber + 1}: {e.Message}"]);
        }

        using (document)
        {
            var findings = new List<string>();
            var root = new ConfigurationSection("", document.RootElement, "/", findings);
            if (!root.Has("decisions"))
            {
                root.Find("decisions", "is missing: a list, [] when nothing is decided");
            }

            var sections = root.Sections("decisions");
            root.Finish();
            if (sections.Count > MaxDecisions)
            {
                root.Find("decisions", $"has more than {MaxDecisions}");
            }

            List<SafeguardDecision> decisions = [.. sections.Take(MaxDecisions).Select(Read)];
            if (decisions.DistinctBy(each => (each.Paragraph, each.Date)).Count() < decisions.Count)
            {
                root.Find("decisions", "has a paragraph twice with one date: which of the two is in force?");
            }

            return findings.Count == 0 ? decisions : throw new ConfigurationException(path, findings);
        }
    }

    private static SafeguardDecision Read(ConfigurationSection section)
    {
        var paragraph = section.RequiredText("paragraph");
        if (!Paragraph().IsMatch(paragraph))
        {
            section.Find("paragraph", "must be a paragraph of 45 CFR part 164, for example \"164.312(a)(2)(iv)\"");
        }
        else if (paragraph.StartsWith(AddressableSafeguard.Section, StringComparison.Ordinal) && AddressableSafeguard.All.All(each => each.Paragraph != paragraph))
        {
            section.Find("paragraph", $"is no addressable specification of 164.312, and what is required cannot be decided on; there are {string.Join(", ", AddressableSafeguard.All.Select(each => each.Paragraph))}");
        }

        var decision = new SafeguardDecision(
            paragraph, Line(section, "safeguard", MaxNameLength), Choice(section), Line(section, "rationale", MaxRationaleLength), Line(section, "decidedBy", MaxNameLength),
            Day(section, "date"), Day(section, "nextReview"));
        if (decision.Date != default && decision.NextReview != default && decision.NextReview <= decision.Date)
        {
            section.Find("nextReview", "must be a day after \"date\"");
        }

        section.Finish();
        return decision;
    }

    private static SafeguardChoice Choice(ConfigurationSection section)
    {
        if (!section.Has("decision"))
        {
            section.Find("decision", "is missing");
        }

        return section.Choice(
            "decision", SafeguardChoice.Implemented,
            ("implemented", SafeguardChoice.Implemented), ("alternative", SafeguardChoice.Alternative), ("not-reasonable", SafeguardChoice.NotReasonable));
    }

    private static string Line(ConfigurationSection section, string key, int most)
    {
        var text = section.RequiredText(key);
        if (text.Length > most || text.Any(char.IsControl) || (text.Length > 0 && string.IsNullOrWhiteSpace(text)))
        {
            section.Find(key, $"must be one line of at most {most} characters");
        }

        return text;
    }

    private static DateOnly Day(ConfigurationSection section, string key)
    {
        var text = section.RequiredText(key);
        if (!DateOnly.TryParseExact(text, DayFormat, CultureInfo.InvariantCulture, DateTimeStyles.None, out var day) && text.Length > 0)
        {
            section.Find(key, "must be a day like \"2026-10-01\"");
        }

        return day;
    }

    [GeneratedRegex(@"\A164\.[0-9]{3}(\([A-Za-z0-9]{1,5}\)){1,6}\z")]
    private static partial Regex Paragraph();
}
