using KeyService.Cli.CommandLine;
using KeyService.Crypto.Backups;
using KeyService.Crypto.Ceremonies;
using KeyService.Hsm;

namespace KeyService.Cli.Ceremonies;

/// <summary>Goes through a script, one step after the other, and ends in a transcript that is signed, whatever happens on the way.</summary>
internal static class CeremonyRunner
{
    private const int Failed = ExitCode.Failed;

    public static async Task<int> RunAsync(CeremonyRun run, CancellationToken cancellation)
    {
        try
        {
            if (!run.Journal.Transcript.HasEnded)
            {
                await GoThroughAsync(run, cancellation).ConfigureAwait(false);
            }
        }
        catch (CeremonyStoppedException)
        {
            Stop(run);
        }
        run.Forget();
        await SignOff.RunAsync(run, cancellation).ConfigureAwait(false);
        return Tell(run);
    }

    private static async Task GoThroughAsync(CeremonyRun run, CancellationToken cancellation)
    {
        DemandNothingLost(run);
        foreach (var step in run.Script.Steps.Where(step => !run.Journal.IsDone(step.Name)))
        {
            run.Desk.Heading($"{step.Number} of {run.Script.Steps.Count} · {step.Title}", run.Script.Title);
            run.Desk.Say(step.What);
            run.Desk.Say(step.Undo);
            await ActAsync(run, step, cancellation).ConfigureAwait(false);
        }
        run.Forget();
        run.Journal.End(TranscriptVerdict.Completed, "Every step of the script is done.", withoutHsm: null);
    }

    private static async Task ActAsync(CeremonyRun run, CeremonyStep step, CancellationToken cancellation)
    {
        if (!step.HasParts)
        {
            run.Journal.Add(TranscriptEntryType.Begin, step.Name, step.Title);
        }
        while (true)
        {
            try
            {
                if (step.NeedsBackupKey && run.BackupKey is null)
                {
                    ShareCollection.Recall(run, step.Name);
                }
                await step.Act(run, cancellation).ConfigureAwait(false);
                break;
            }
            catch (Exception e) when (IsOfTheStep(e))
            {
                run.Deviate(step.Name, e is CliError error ? $"{error.Message} {error.Advice}" : e.Message);
                run.Desk.Ask("Press Enter to try this step again, or type stop to end the ceremony.");
            }
        }
        if (run.Desk.Ask($"{run.Witness.FullName}, as witness: press Enter if you saw this as it is written; otherwise say what was different.") is { Length: > 0 } different)
        {
            run.Deviate(step.Name, different);
        }
        if (step.HasParts)
        {
            run.Journal.Add(TranscriptEntryType.Begin, step.Name, step.Title);
        }
        run.Journal.Add(TranscriptEntryType.Done, step.Name, $"{run.Administrator.Name} {run.Witness.Name}");
    }

    // What people in the room can mend, or stop for. A defect, a journal that cannot be written and the end of the terminal are not of these.
    private static bool IsOfTheStep(Exception e) => e is HsmException or BundleException or InvalidDataException or UnauthorizedAccessException
        or CliError { ExitCode: not ExitCode.Interrupted } or (IOException and not JournalLostException);

    // Secrets of steps that another process began were in its memory only.
    private static void DemandNothingLost(CeremonyRun run)
    {
        var (first, last) = run.Script.InMemory;
        var begun = run.Script.Steps.Where(step => step.Number >= first && step.Number <= last)
            .Any(step => run.Journal.StepsOfEarlierProcess.Any(each => each == step.Name || each.StartsWith($"{step.Name}/", StringComparison.Ordinal)));
        if (first > 0 && begun && !run.Journal.IsDone(run.Script.Steps[last - 1].Name))
        {
            run.Desk.Heading("The ceremony is void", run.Script.Title);
            run.Desk.Warn($"It was interrupted between steps {first} and {last}, where secrets are in memory only. They are gone.");
            End(run, TranscriptVerdict.Void, $"Interrupted between steps {first} and {last}, where secrets are in memory only.");
            throw new CeremonyStoppedException();
        }
    }

    private static void Stop(CeremonyRun run)
    {
        run.Desk.EndWords();
        if (run.Journal.Transcript.HasEnded)
        {
            return;
        }
        run.Forget();
        var reached = run.Script.Steps.Where(step => step.Number >= run.Script.PointOfNoReturn)
            .Any(step => run.Journal.Transcript.Entries.Any(each => each.Type == TranscriptEntryType.Begin && (each.Subject == step.Name || each.Subject.StartsWith($"{step.Name}/", StringComparison.Ordinal))));
        run.Desk.Heading(reached ? "The ceremony is stopped and void" : "The ceremony is postponed", run.Script.Title);
        string why;
        try
        {
            why = run.Desk.Ask("Why is it stopped? This goes into the transcript.");
        }
        catch (CeremonyStoppedException)
        {
            why = "";
        }
        End(run, reached ? TranscriptVerdict.Void : TranscriptVerdict.Postponed, why.Length > 0 ? why : "No reason was given.");
    }

    private static void End(CeremonyRun run, string how, string why)
    {
        run.Journal.End(how, why, run.HasToken || run.RecordedFact(TranscriptVerdict.WithoutHsm) is not null ? null : "The token was not open when the ceremony ended.");
        if (how == TranscriptVerdict.Void)
        {
            run.Desk.Warn(run.Script.WhenVoid);
        }
    }

    private static int Tell(CeremonyRun run)
    {
        var verdict = TranscriptVerdict.Of(run.Journal.Transcript);
        var completed = verdict.Ending == TranscriptVerdict.Completed;
        run.Desk.Heading(verdict.Ending switch
        {
            TranscriptVerdict.Completed => "The ceremony is completed",
            TranscriptVerdict.Void => "The ceremony is void, and that is on record",
            _ => "The ceremony is postponed, and that is on record",
        }, run.Script.Title);
        run.Desk.Say($"Transcript: {run.Journal.Path}");
        run.Desk.Say($"Its last hash, to be read aloud and written on paper: {Convert.ToHexStringLower(run.Journal.Transcript.Head.Span)}");
        if (verdict.Unsigned.Count > 0)
        {
            run.Desk.Say($"Not signed by: {string.Join(", ", verdict.Unsigned)}. Each may sign later: keyservice ceremony sign {run.Journal.Path} --as NAME --signing-key FILE");
        }
        run.Desk.Say($"Labels for the bags, receipts, attestation and recovery instructions, to be printed and signed: keyservice ceremony print {run.Journal.Path} --output {Path.Combine(run.Directory, "print")}");
        run.Desk.Say(completed ? run.Script.Afterwards : run.Script.WhenVoid);
        return completed ? ExitCode.Ok : Failed;
    }
}
