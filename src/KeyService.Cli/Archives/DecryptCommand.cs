using System.CommandLine;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Files;
using KeyService.Cli.Output;
using KeyService.Client;
using KeyService.Crypto;
using KeyService.Crypto.Archives;

namespace KeyService.Cli.Archives;

/// <summary><c>keyservice decrypt</c></summary>
internal static class DecryptCommand
{
    public static Command Create()
    {
        var input = Input("Archive to decrypt; stdin when absent or -");
        var output = GlobalOptions.Output("Plaintext (mode 0600); appears only when the archive proved whole. stdout when absent");
        var context = ExpectedContext();
        var remote = Remote();
        var force = GlobalOptions.Force();
        return new Command("decrypt", "Decrypt an archive") { input, output, context, remote, force }.WithNotes("""
            Every byte written was verified, but only exit code 0 says that the archive was whole: with -o a file appears
            only then; what went to stdout has to be thrown away with any other code.
            """).Runs(async run =>
        {
            using var archive = InputFile.Open(run.Get(input));
            using var file = OutputFile.Create(run.Get(output), run.Get(force));
            try
            {
                await RunAsync(run, "decrypt", archive, Expected(run.Get(context)!), run.Get(remote), file).ConfigureAwait(false);
            }
            catch (Exception e) when (!file.AppearsWhole && e is ArchiveException or KeyServiceException { Reason: "DECRYPTION_FAILED" })
            {
                var failure = Failure.Of(e);
                throw new CliError(failure.ExitCode, failure.Reason, failure.Message,
                    "Throw away what was written to stdout, if anything. " + failure.Advice, e);
            }
        });
    }

    public static Argument<string?> Input(string description) => new("ARCHIVE") { Description = description, Arity = ArgumentArity.ZeroOrOne };

    public static Option<string[]> ExpectedContext()
    {
        var context = GlobalOptions.Context();
        context.Description = "Pairs that must be the archive's context, all of them; without any, the archive's own is used";
        return context;
    }

    public static Option<bool> Remote() => new("--remote") { Description = "Decrypt inside the service: no data key comes here" };

    public static EncryptionContext? Expected(string[] pairs) => pairs.Length == 0 ? null : ContextPairs.Parse(pairs);

    /// <summary>Decrypts into a file, stdout, or (verify) nowhere.</summary>
    public static async Task RunAsync(
        Invocation run, string operation, Stream archive, EncryptionContext? expected, bool remote, OutputFile? file)
    {
        using var client = run.Connect();
        var total = InputFile.LengthOf(archive);
        var (doing, done) = operation == "verify" ? ("verifying", "verified") : ("decrypting", "decrypted");
        using var progress = new Progress(doing, total, run.Quiet);
        var target = file?.Stream ?? Stream.Null;
        var report = remote
            ? await RemoteArchive.DecryptAsync(client, expected, archive, target, progress, run.Cancellation).ConfigureAwait(false)
            : await LocalArchive.DecryptAsync(client, expected, archive, target, progress, run.Cancellation).ConfigureAwait(false);
        run.Cancellation.ThrowIfCancellationRequested();
        file?.Commit();
        progress.Finish(done, report.PlaintextBytes, file?.Arrow ?? "");
        report.Write(run, operation, file?.Path, progress.Elapsed, remote);
    }
}
