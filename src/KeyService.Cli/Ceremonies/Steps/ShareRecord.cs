using KeyService.Cli.CommandLine;
using KeyService.Crypto;
using KeyService.Crypto.Ceremonies;
using KeyService.Crypto.Shares;

namespace KeyService.Cli.Ceremonies;

/// <summary>The shares of a backup key as the transcript of their ceremony has them.</summary>
internal sealed record ShareRecord(string BackupKeyId, int Set, int Threshold, IReadOnlyList<RecordedShare> Shares)
{
    /// <summary>Words of each of them.</summary>
    public static int WordCount => Share.WordsOf(KeyService.Crypto.BackupKeyId.KeyLength);

    /// <summary>From the ceremony's own transcript, when it hands out shares itself, or from the one that its plan names.</summary>
    /// <param name="step">Where it is recorded that the transcript is not what it should be.</param>
    public static ShareRecord Of(CeremonyRun run, string step)
    {
        if (run.Plan.Genesis is not { } path)
        {
            return Of(run.Journal.Transcript, run.Journal.Path);
        }
        var (record, findings) = Load(path, run.Plan.IsRehearsal);
        if (findings.Count > 0 && !run.Plan.IsRehearsal)
        {
            run.Deviate(step, $"{path} does not verify by itself ({string.Join(", ", findings)}): compare its last hash with the one on paper before its digests are believed.");
        }
        return record;
    }

    /// <summary>The set that a ceremony replaces.</summary>
    public static ShareRecord Former(CeremonyRun run) => Load(run.Plan.Genesis!, run.Plan.IsRehearsal).Record;

    private static (ShareRecord Record, IReadOnlyList<TranscriptFinding> Findings) Load(string path, bool rehearsal)
    {
        if (!Transcript.TryParse(File.ReadAllBytes(path), out var transcript))
        {
            throw new CliError(ExitCode.NotVerified, "TRANSCRIPT_DAMAGED", $"{path} is no transcript, or was changed.", "Fetch another copy of it.");
        }
        var verdict = TranscriptVerdict.Of(transcript!);
        var refusal = verdict.Ending != TranscriptVerdict.Completed ? "is of a ceremony that was not completed: its shares are worth nothing"
            : (transcript!.Header.IsRehearsal, rehearsal) switch
            {
                (true, false) => "is of a rehearsal: its shares are worth nothing",
                (false, true) => "is of a real ceremony, and this is a rehearsal: nobody types a real share in one",
                _ => null,
            };
        if (refusal is not null)
        {
            throw new CliError(ExitCode.NotVerified, "TRANSCRIPT_REFUSED", $"{path} {refusal}.", "Name the transcript of the ceremony that made the shares.");
        }
        return (Of(transcript!, path), verdict.Findings);
    }

    private static ShareRecord Of(Transcript transcript, string path)
    {
        var id = transcript.Entries.LastOrDefault(each => each is { Type: TranscriptEntryType.Fact, Subject: TokenSteps.BackupKeyFact })?.Text;
        var shares = RecordedShare.AllOf(transcript);
        return id is not null && shares.Count > 0
            ? new ShareRecord(id, shares[0].Set, shares[0].Threshold, shares)
            : throw new CliError(ExitCode.NotVerified, "TRANSCRIPT_REFUSED", $"{path} records no shares.", "Name the transcript of the ceremony that made them: genesis or backup-key.");
    }
}
