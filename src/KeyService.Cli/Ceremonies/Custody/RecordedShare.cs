using System.Globalization;
using KeyService.Cli.CommandLine;
using KeyService.Crypto.Ceremonies;

namespace KeyService.Cli.Ceremonies;

/// <summary>What a transcript says of a share that was handed out: everything but its words.</summary>
internal sealed record RecordedShare(int Set, int Index, int Threshold, byte[] Digest, string Custodian, string Bag)
{
    /// <summary>When it was sealed.</summary>
    public DateTimeOffset Time { get; private init; }

    public string Subject => string.Create(CultureInfo.InvariantCulture, $"{Set}/{Index}");

    public string Text => string.Create(CultureInfo.InvariantCulture, $"threshold {Threshold} digest {Convert.ToHexStringLower(Digest)} custodian {Custodian} bag {Bag}");

    /// <summary>In the order of their numbers. The last entry of a number counts: a part that was interrupted was done again.</summary>
    public static IReadOnlyList<RecordedShare> AllOf(Transcript transcript) =>
    [
        .. transcript.Entries.Where(each => each.Type == TranscriptEntryType.Share).Select(Read).ToLookup(each => each.Index).Select(each => each.Last()).OrderBy(each => each.Index),
    ];

    private static RecordedShare Read(TranscriptEntry entry) =>
        entry.Subject.Split('/') is [var set, var index] && entry.Text.Split(' ') is ["threshold", var threshold, "digest", var digest, "custodian", var custodian, "bag", var bag]
        && Number(set) is { } ofSet && Number(index) is { } number && Number(threshold) is { } needed && digest.Length == 64 && digest.All(char.IsAsciiHexDigitLower)
            ? new RecordedShare(ofSet, number, needed, Convert.FromHexString(digest), custodian, bag) { Time = entry.Time }
            : throw new CliError(ExitCode.NotVerified, "TRANSCRIPT_REFUSED", "The transcript records a share in a way that is not known.", "Use the version of keyservice that wrote it.");

    private static int? Number(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
}
