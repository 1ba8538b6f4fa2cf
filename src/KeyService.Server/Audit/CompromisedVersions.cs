using System.Globalization;
using System.Text.RegularExpressions;
using KeyService.Crypto;

namespace KeyService.Server.Audit;

/// <summary>
/// The sentence that says under which compromised versions a call processed: at the end of its record's detail, and to the caller. A record has one
/// key version in a field, the first that the call named; a batch can take in others.
/// </summary>
internal static partial class CompromisedVersions
{
    /// <summary>Versions that are named; more are counted.</summary>
    public const int MaxNamed = 50;

    /// <summary>"key version 00…01 is compromised", "key versions 00…01, 00…02 and 7 more are compromised".</summary>
    /// <param name="versions">One at least, each once.</param>
    public static string Say(IReadOnlyCollection<KeyVersionId> versions)
    {
        var named = string.Join(", ", versions.Take(MaxNamed));
        var more = versions.Count > MaxNamed ? string.Create(CultureInfo.InvariantCulture, $" and {versions.Count - MaxNamed} more") : "";
        return versions.Count == 1 ? $"key version {named} is compromised" : $"key versions {named}{more} are compromised";
    }

    /// <summary>The versions that the sentence at the end of a detail names; none when it does not end with one.</summary>
    public static IReadOnlyList<KeyVersionId> Read(string? detail)
    {
        if (detail is null || Sentence().Match(detail) is not { Success: true } match)
        {
            return [];
        }

        var versions = new List<KeyVersionId>();
        foreach (var text in match.Groups["versions"].Value.Split(", "))
        {
            if (KeyVersionId.TryParse(text, out var version))
            {
                versions.Add(version);
            }
        }

        return versions;
    }

    [GeneratedRegex("(?:^|; )key versions? (?<versions>[0-9a-f]{16}(?:, [0-9a-f]{16})*)(?: and [0-9]+ more)? (?:is|are) compromised\\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex Sentence();
}
