using System.Globalization;
using System.Security.Cryptography;
using KeyService.Crypto.Ceremonies;

namespace KeyService.Cli.Ceremonies;

/// <summary>
/// A ceremony as its printed matter tells it: all of it comes out of the transcript, which has no secret, so that nothing that is printed has one.
/// </summary>
internal sealed class PrintedCeremony
{
    public PrintedCeremony(Transcript transcript, KnownSigners known)
    {
        Transcript = transcript;
        Known = known;
        Verdict = TranscriptVerdict.Of(transcript);
        var script = CeremonyScripts.Find(transcript.Header.Kind);
        Title = script?.Title ?? transcript.Header.Kind;
        Script = script is not null && transcript.Header.Script.Span.SequenceEqual(script.Hash) ? script : null;
        People = [.. transcript.Entries.Where(each => each.Type == TranscriptEntryType.Person).Select(Person)];
        Facts = [.. transcript.Entries.Where(each => each.Type == TranscriptEntryType.Fact)];
        Shares = RecordedShare.AllOf(transcript);
        Copies = RecordedCopy.AllOf(transcript);
    }

    public Transcript Transcript { get; }

    public TranscriptVerdict Verdict { get; }

    public KnownSigners Known { get; }

    public string Title { get; }

    /// <summary>The script that was followed; null when it is another version's.</summary>
    public CeremonyScript? Script { get; }

    public IReadOnlyList<CeremonyPerson> People { get; }

    public IReadOnlyList<TranscriptEntry> Facts { get; }

    public IReadOnlyList<RecordedShare> Shares { get; }

    public IReadOnlyList<RecordedCopy> Copies { get; }

    public string Id => Convert.ToHexStringLower(Transcript.Header.Ceremony.Span);

    public string Kind => Transcript.Header.Kind;

    public string LastHash => Convert.ToHexStringLower(Transcript.Head.Span);

    public string ScriptHash => Convert.ToHexStringLower(Transcript.Header.Script.Span);

    public string FileHash => Convert.ToHexStringLower(SHA256.HashData(Transcript.ToArray()));

    public DateTimeOffset Began => Transcript.Entries[0].Time;

    public DateTimeOffset Ended => Transcript.Entries[^1].Time;

    public string Reason => Transcript.Entries[^1].Text;

    public bool IsVoid => Verdict.Ending == TranscriptVerdict.Void;

    /// <summary>What stands on every page of a ceremony that does not count: empty for one that does.</summary>
    public string Mark => string.Join(" · ", new[]
    {
        Transcript.Header.IsRehearsal ? "REHEARSAL" : null,
        Verdict.Ending switch { TranscriptVerdict.Void => "VOID", TranscriptVerdict.Postponed => "POSTPONED", _ => null },
    }.OfType<string>());

    public IReadOnlyList<TranscriptEntry> Deviations => [.. Transcript.Entries.Where(each => each.Type == TranscriptEntryType.Deviation)];

    /// <summary>The newest fact of that subject.</summary>
    public string? Fact(string subject) => Facts.LastOrDefault(each => each.Subject == subject)?.Text;

    public string? Installation => Fact(BundleSteps.InstallationFact);

    public string? BackupKey => Fact(TokenSteps.BackupKeyFact) ?? Fact(BundleSteps.BackupKeyFact);

    /// <summary>How many shares there are, of which some may not have been handed out.</summary>
    public int ShareCount => Fact("shares.quorum")?.Split(' ') is [_, "of", var count] && int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= Shares.Count
        ? number
        : Shares.Count;

    /// <summary>Name in full; the short one of somebody whom the transcript does not introduce.</summary>
    public string FullName(string name) => People.FirstOrDefault(each => each.Name == name)?.FullName ?? name;

    public string Administrator => People.FirstOrDefault(each => each.Role == CeremonyRole.Administrator)?.FullName ?? "";

    public string Witness => People.FirstOrDefault(each => each.Role == CeremonyRole.Witness)?.FullName ?? "";

    public static string Day(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    public static string Minute(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture);

    public static string Clock(DateTimeOffset time) => time.UtcDateTime.ToString("HH:mm:ss", CultureInfo.InvariantCulture);

    private static CeremonyPerson Person(TranscriptEntry entry)
    {
        var parts = entry.Text.Split(' ', 2);
        return new CeremonyPerson(entry.Subject, parts[0], parts[^1]);
    }
}
