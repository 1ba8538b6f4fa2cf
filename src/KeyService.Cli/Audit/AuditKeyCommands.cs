using System.CommandLine;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using KeyService.Crypto.Logs;

namespace KeyService.Cli.Audit;

/// <summary><c>keyservice audit key</c> and <c>keyservice audit checkpoint</c>: what an auditor keeps elsewhere.</summary>
internal static class AuditKeyCommands
{
    public static Command Key() => new Command("key", "Write the public keys that verify the audit log, to keep apart from it").WithNotes("""
        A line each, oldest first, in the form of C2SP signed-note (vkey). audit verify --key FILE takes the file.
        """).Runs(async run =>
    {
        using var client = run.Connect();
        var answer = await client.Audit.LogKeysAsync(run.Cancellation).ConfigureAwait(false);
        if (run.Json)
        {
            run.Report.Write(new Record { ["verifier_keys"] = answer.VerifierKeys.ToList() });
        }
        else
        {
            run.Report.WriteText(string.Concat(answer.VerifierKeys.Select(key => key + "\n")));
        }
    });

    public static Command Rotate()
    {
        var requestId = GlobalOptions.RequestId();
        return new Command("rotate-key", "Have another key of the HSM sign the audit log from now on") { requestId }.WithNotes("""
            The key before signs the checkpoint that names the next one, so whoever has an earlier key is led to it. Tell witnesses before
            or soon after: they cosign nothing that a key signs which they do not know. Keys before stay in the HSM.
            """).Runs(async run =>
        {
            using var client = run.Connect();
            var answer = await client.Audit.RotateKeyAsync(run.Get(requestId), run.Cancellation).ConfigureAwait(false);
            run.Report.Write(new Record { ["verifier_key"] = answer.VerifierKey });
        });
    }

    public static Command Checkpoint() => new Command("checkpoint", "Write the newest signed checkpoint of the audit log, to keep apart from it").WithNotes("""
        It commits to every record of every server up to a moment ago. Whoever keeps it can tell later, with audit verify --checkpoint
        FILE, whether any of them was changed, left out or cut off.
        """).Runs(async run =>
    {
        using var client = run.Connect();
        var answer = await client.Audit.LogKeysAsync(run.Cancellation).ConfigureAwait(false);
        if (!SignedNote.TryParse(answer.DirectoryCheckpoint.Span, out var note) || !Crypto.Logs.Checkpoint.TryParse(note!.Text, out var checkpoint))
        {
            throw new CliError(ExitCode.Conflict, "NOT_FOUND", "The log has no signed checkpoint yet.", "A running server signs one a minute; try again.");
        }
        if (run.Json)
        {
            run.Report.Write(new Record
            {
                ["origin"] = checkpoint!.Origin, ["size"] = checkpoint.Size, ["root"] = Convert.ToHexStringLower(checkpoint.Root), ["note"] = note.ToString(),
            });
        }
        else
        {
            run.Report.WriteText(note.ToString());
        }
    });
}
