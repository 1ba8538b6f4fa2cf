using System.Security.Cryptography;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using KeyService.Crypto.Ceremonies;

namespace KeyService.Cli.Ceremonies;

/// <summary>Ceremonies in which people decide, and what they decide about lies before them as files.</summary>
internal static class DocumentSteps
{
    private const int MaxSubject = 60;

    /// <summary>Each file is named with its hash, so that nobody can exchange it afterwards.</summary>
    public static async Task AttachAsync(CeremonyRun run, CancellationToken cancellation)
    {
        foreach (var path in run.Plan.Documents)
        {
            var stream = File.OpenRead(path);
            await using (stream.ConfigureAwait(false))
            {
                var hash = Convert.ToHexStringLower(await SHA256.HashDataAsync(stream, cancellation).ConfigureAwait(false));
                run.Journal.Add(TranscriptEntryType.Attach, SubjectOf(path), $"{hash} {stream.Length}");
                run.Observe("3", $"{Path.GetFileName(path)}: {Amount.Bytes(stream.Length)}, SHA-256 {hash}");
            }
        }
        if (run.Desk.Ask("Everybody has read them? Enter for yes; otherwise say what is missing.") is { Length: > 0 } missing)
        {
            throw new CliError(ExitCode.Conflict, "NOT_READ", missing, "Read them first.");
        }
    }

    /// <summary>One part for each copy: how it was destroyed, before witnesses.</summary>
    public static async Task DestroyCopiesAsync(CeremonyRun run, CancellationToken cancellation)
    {
        for (var at = 0; at < run.Plan.Copies.Count; at++)
        {
            var (number, copy) = ($"4/{at + 1}", run.Plan.Copies[at]);
            await run.PartAsync(number, copy, run.Administrator, () =>
            {
                var how = run.Desk.Ask($"{copy}: how was it destroyed, before all of you? Type absent if it is not here.");
                if (how is "absent" or "")
                {
                    run.Deviate(number, $"{copy} was not destroyed: it is not here, or nobody said how.");
                }
                else
                {
                    run.Observe(number, $"Destroyed: {how}");
                }
                return Task.CompletedTask;
            }).ConfigureAwait(false);
        }
    }

    /// <summary>What was done with emergency access is judged.</summary>
    public static Task JudgeAsync(CeremonyRun run, CancellationToken cancellation)
    {
        foreach (var question in new[]
        {
            "What was the emergency, and who needed what?", "Was each record that was looked at needed for it? Name those that were not.",
            "Was the access justified? Type justified or not justified.", "What is to be changed, by whom, until when?",
        })
        {
            string answer;
            while ((answer = run.Desk.Ask(question)).Length == 0)
            {
                run.Desk.Warn("An answer is needed; if there is nothing to say, say so.");
            }
            run.Observe("4", $"{question} {answer}");
        }
        return Task.CompletedTask;
    }

    // As much of a file's name as a subject takes.
    private static string SubjectOf(string path)
    {
        var name = string.Concat(Path.GetFileName(path).ToLowerInvariant().Select(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '.' or '_' or '-' ? c : '-'));
        return $"document.{name}"[..Math.Min(MaxSubject, "document.".Length + name.Length)];
    }
}
