using System.CommandLine;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using KeyService.Crypto.Ceremonies;
using KeyService.Crypto.IO;

namespace KeyService.Cli.Ceremonies;

/// <summary><c>keyservice ceremony print</c>: what is filed, stuck on bags and handed out after a ceremony.</summary>
internal static class PrintCommand
{
    private const UnixFileMode FileMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode DirectoryMode = FileMode | UnixFileMode.UserExecute;

    public static Command Create()
    {
        var path = TranscriptCommands.File();
        var output = new Option<string>("--output", "-o") { Description = "New or empty directory that gets the pages", HelpName = "DIRECTORY", Required = true };
        var signers = new KnownSigners.Options();
        var command = new Command("print", "Write what is printed after a ceremony as HTML: script, labels, receipts, attestation, recovery instructions") { path, output };
        signers.AddTo(command);
        return command.WithNotes("""
            The transcript is verified first, as ceremony verify does; of one that does not verify nothing is written. Signatures of people that are missing are no
            obstacle: the attestation has lines to sign on. Open index.html in a browser and print each page; nothing in them is secret, and nothing comes from
            elsewhere. With --hsm-key, --key and --roster the attestation says whose keys were compared.
            """).Runs(async run =>
        {
            var transcript = await TranscriptCommands.ReadAsync(run.Get(path), run.Cancellation).ConfigureAwait(false);
            var known = await signers.ReadAsync(run).ConfigureAwait(false);
            DemandVerified(transcript, known, run.Get(path));
            var ceremony = new PrintedCeremony(transcript, known);
            var sheets = PrintedMatter.Of(ceremony);
            var directory = run.Required(output);
            Write(directory, [.. sheets.Where(sheet => sheet.Body is not null).Select(sheet => (sheet.Name, sheet.ToArray(ceremony)))]);
            run.Report.Write(new Record
            {
                ["directory"] = directory, ["ceremony"] = ceremony.Id, ["kind"] = ceremony.Kind, ["rehearsal"] = transcript.Header.IsRehearsal, ["ending"] = ceremony.Verdict.Ending,
                ["files"] = sheets.Where(sheet => sheet.Body is not null).Select(sheet => sheet.Name).ToList(),
                ["left_out"] = sheets.Where(sheet => sheet.Body is null).Select(sheet => sheet.Name).ToList(),
                ["not_signed_by"] = ceremony.Verdict.Unsigned,
            });
        });
    }

    private static void DemandVerified(Transcript transcript, KnownSigners known, string path)
    {
        var findings = TranscriptVerdict.Of(transcript).Findings.Where(each => each != TranscriptFinding.Unsigned).ToList();
        if (findings.Count > 0)
        {
            throw new CliError(ExitCode.NotVerified, "TRANSCRIPT_NOT_VERIFIED", $"{path} does not verify ({string.Join(", ", findings)}). Nothing was printed.",
                findings.Contains(TranscriptFinding.NotEnded) ? "Go on with keyservice ceremony resume; print it when it has ended." : "keyservice ceremony verify says more. Fetch another copy of the transcript.");
        }
        if (known.Contradictions(transcript) is { Count: > 0 } others)
        {
            throw new CliError(ExitCode.NotVerified, "OTHER_KEY", $"{path} is not signed by the keys that were given for: {string.Join(", ", others)}. Nothing was printed.",
                "Find out whose keys signed; keyservice ceremony verify lists them.");
        }
    }

    // The index comes last: a directory that has one has everything.
    private static void Write(string directory, IReadOnlyList<(string Name, byte[] Content)> files)
    {
        if (System.IO.File.Exists(directory) || (Directory.Exists(directory) && Directory.EnumerateFileSystemEntries(directory).Any()))
        {
            throw new CliError(ExitCode.Conflict, "ALREADY_EXISTS", $"{directory} is not an empty directory.", "Name a new one: what was printed before is not replaced.");
        }
        Directory.CreateDirectory(directory, DirectoryMode);
        DurableFile.FlushDirectory(Path.GetDirectoryName(Path.GetFullPath(directory).TrimEnd(Path.DirectorySeparatorChar)) ?? "/");
        var written = new List<string>();
        try
        {
            foreach (var (name, content) in files)
            {
                var target = Path.Combine(directory, name);
                DurableFile.WriteAllBytes(target, content, FileMode);
                written.Add(target);
            }
        }
        catch
        {
            written.ForEach(System.IO.File.Delete);
            throw;
        }
    }
}
