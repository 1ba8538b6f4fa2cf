using System.Globalization;
using System.Text.RegularExpressions;
using KeyService.Crypto.Ceremonies;

namespace KeyService.Cli.Ceremonies;

/// <summary>What a transcript says of a copy of bundles that was handed out.</summary>
/// <param name="Number">Which copy, from 1.</param>
/// <param name="Bag">Empty when it went into none.</param>
/// <param name="Courier">Name of who took it, as in the transcript.</param>
/// <param name="CourierName">The same person's name in full.</param>
/// <param name="Place">Where it is to be kept; empty when nobody said.</param>
internal sealed partial record RecordedCopy(int Number, string Bag, string Courier, string CourierName, string Place)
{
    private const string Prefix = "copy.";
    private const string NoBag = "none";
    private const string NoPlace = "not said";

    /// <summary>When it was handed out.</summary>
    public DateTimeOffset Time { get; private init; }

    public string Subject => string.Create(CultureInfo.InvariantCulture, $"{Prefix}{Number}");

    public string Text => $"bag {(Bag.Length > 0 ? Bag : NoBag)}, taken by {CourierName} ({Courier}), to be kept at: {(Place.Length > 0 ? Place : NoPlace)}";

    /// <summary>In the order of their numbers; the last entry of a number counts.</summary>
    public static IReadOnlyList<RecordedCopy> AllOf(Transcript transcript) =>
    [
        .. transcript.Entries.Where(each => each.Type == TranscriptEntryType.Fact && each.Subject.StartsWith(Prefix, StringComparison.Ordinal)).Select(Read).OfType<RecordedCopy>()
            .ToLookup(each => each.Number).Select(each => each.Last()).OrderBy(each => each.Number),
    ];

    // What another version wrote otherwise is still said, as the place.
    private static RecordedCopy? Read(TranscriptEntry entry) =>
        !int.TryParse(entry.Subject.AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? null
        : Layout().Match(entry.Text) is { Success: true } match
            ? new RecordedCopy(number, Unless(match.Groups[1].Value, NoBag), match.Groups[3].Value, match.Groups[2].Value, Unless(match.Groups[4].Value, NoPlace)) { Time = entry.Time }
            : new RecordedCopy(number, "", "", "", entry.Text) { Time = entry.Time };

    private static string Unless(string text, string nothing) => text == nothing ? "" : text;

    [GeneratedRegex(@"^bag (.+?), taken by (.+?) \(([a-z0-9._-]+)\), to be kept at: (.+)$", RegexOptions.Singleline | RegexOptions.NonBacktracking)]
    private static partial Regex Layout();
}
