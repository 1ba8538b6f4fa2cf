using System.CommandLine;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Files;
using KeyService.Cli.Output;
using KeyService.Crypto.Logs;

namespace KeyService.Cli.Audit;

/// <summary><c>keyservice audit verify-proof</c>: offline, by a stranger.</summary>
internal static class AuditVerifyProofCommand
{
    private static readonly Argument<string> Proof = new("PROOF") { Description = "What keyservice audit prove wrote" };

    private static readonly Option<string?> Directory = new("--directory") { Description = "The proof of the directory log that was written with it", HelpName = "FILE" };

    public static Command Create() => new Command("verify-proof", "Verify the proof of a record; needs no service") { Proof, Directory, AuditVerifyCommand.Key, AuditVerifyCommand.Policy }.WithNotes("""
        With --key FILE (keyservice audit key), or with log lines in the policy. Shows what the proven record says. Exit code 4: not proven.
        """).Runs(async run =>
    {
        var policy = run.Get(AuditVerifyCommand.Policy) is { } file ? await AuditVerifyCommand.PolicyAsync(file, run.Cancellation).ConfigureAwait(false) : null;
        var keys = await AuditVerifyCommand.KeysAsync(run.Get(AuditVerifyCommand.Key) ?? [], run.Cancellation).ConfigureAwait(false);
        keys.AddRange(policy?.Logs ?? []);
        if (keys.Count == 0)
        {
            throw CliError.Usage("A proof proves nothing without the log's key.", "Give --key FILE with what keyservice audit key wrote.");
        }
        var path = run.Get(Proof);
        var record = await ReadAsync(path, run.Cancellation).ConfigureAwait(false);
        var directory = run.Get(Directory) is { } second ? await ReadAsync(second, run.Cancellation).ConfigureAwait(false) : null;
        if (!RecordProof.TryVerify(record, directory, keys, policy, out var proof, out var fault))
        {
            throw NotProven(path, fault);
        }
        run.Report.Write(Of(proof!, path));
    });

    private static async Task<InclusionProofFile> ReadAsync(string path, CancellationToken cancellation) =>
        InclusionProofFile.TryParse(await InputFile.ReadSmallAsync(path, InclusionProofFile.MaxLength, cancellation).ConfigureAwait(false), out var proof)
            ? proof!
            : throw NotProven(path, "it is no tlog-proof");

    private static CliError NotProven(string path, string fault) => new(
        ExitCode.NotVerified, "NOT_PROVEN", $"{path}: not proven: {fault}.", "Ask for the proof again, and for the log's keys from somebody you trust; nothing of this one may be used.");

    private static Record Of(RecordProof proof, string path) => new()
    {
        ["proof"] = path,
        ["log"] = proof.Checkpoint.Origin,
        ["sequence"] = (long)proof.Record.Sequence,
        ["log_size"] = proof.Checkpoint.Size,
        ["directory_size"] = proof.Directory?.Size,
        ["witness_time"] = proof.WitnessTime,
        ["time"] = new DateTimeOffset(DateTime.UnixEpoch.Ticks + (proof.Record.TimeUnixNanoseconds / 100), TimeSpan.Zero),
        ["event_id"] = (long)proof.Record.EventId,
        ["type"] = EnumNames.Of(proof.Record.Type),
        ["outcome"] = EnumNames.Of(proof.Record.Outcome),
        ["reason"] = proof.Record.Reason,
        ["principal"] = proof.Record.Principal,
        ["source"] = proof.Record.Source,
        ["key"] = proof.Record.Key,
        ["key_version"] = proof.Record.KeyVersion?.ToString(),
        ["item_count"] = (long?)proof.Record.ItemCount,
        ["detail"] = proof.Record.Detail,
        ["canonical"] = Convert.ToBase64String(proof.Record.Encode()),
    };
}
