using System.CommandLine;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Files;
using KeyService.Cli.Output;
using KeyService.Cli.Processes;
using KeyService.Client;
using KeyService.Crypto;

namespace KeyService.Cli.Archives;

/// <summary><c>keyservice verify</c></summary>
internal static class VerifyCommand
{
    public static Command Create()
    {
        var files = new Argument<string[]>("ARCHIVE") { Description = "Archives to verify; stdin when absent or -", Arity = ArgumentArity.ZeroOrMore };
        var context = DecryptCommand.ExpectedContext();
        var remote = DecryptCommand.Remote();
        var test = new Option<string?>("--restore-test")
        {
            Description = "Give the content to this shell command's stdin; it must read all of it and exit with 0",
            HelpName = "COMMAND",
        };
        return new Command("verify", "Open archives wholly without writing anything; exit code 4 when one does not verify")
        {
            files, context, remote, test,
        }.WithNotes("""
            Example, nightly from cron:
              keyservice verify --json --restore-test 'pg_restore --exit-on-error -d restore_test' /backup/*.ksa

            A restore test succeeds only when the archive verified whole, the command read every byte of it, and it exited with 0.
            /bin/sh runs the command; what it writes, also to stdout, appears on stderr; $KEYSERVICE_ARCHIVE is the archive's path.
            When the archive does not verify the command is killed: end of input never means a whole one to it.
            """).Runs(async run =>
        {
            var (paths, expected) = (run.Get(files), DecryptCommand.Expected(run.Get(context)!));
            var job = new Verification(run, expected, run.Get(remote), run.Get(test));
            using var client = run.Connect();
            return await ArchiveFiles.ForEachAsync(run, paths.Length == 0 ? ["-"] : paths, path => job.RunAsync(client, path)).ConfigureAwait(false);
        });
    }

    private sealed record Verification(Invocation Run, EncryptionContext? Expected, bool Remote, string? Test)
    {
        public async Task RunAsync(KeyServiceClient client, string path)
        {
            using var archive = InputFile.Open(path);
            using var progress = new Progress("verifying", InputFile.LengthOf(archive), Run.Quiet);
            var report = Test is null
                ? await DecryptCommand.OpenAsync(client, Remote, Expected, archive, Stream.Null, progress, Run.Cancellation).ConfigureAwait(false)
                : await RestoreAsync(client, archive, path, progress).ConfigureAwait(false);
            Run.Cancellation.ThrowIfCancellationRequested();
            progress.Finish("verified", report.PlaintextBytes, (Test is null ? "" : ", restore test passed") + (path == "-" ? "" : $": {Terminal.Printable(path)}"));
            (report with { File = path == "-" ? null : path }).Write(Run, "verify", null, progress.Elapsed, Remote);
        }

        private async Task<ArchiveReport> RestoreAsync(KeyServiceClient client, Stream archive, string path, Progress progress)
        {
            using var command = RestoreCommand.Prepare(Test!, path, Run.Cancellation);
            var report = await DecryptCommand.OpenAsync(client, Remote, Expected, archive, command.Input, progress, Run.Cancellation).ConfigureAwait(false);
            var read = await command.FinishAsync(Run.Cancellation).ConfigureAwait(false);
            return report with { RestoreTestBytes = read };
        }
    }
}
