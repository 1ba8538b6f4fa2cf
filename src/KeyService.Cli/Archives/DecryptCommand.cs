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
        var range = new Option<string?>("--range")
        {
            Description = "Only these bytes of the content: START-END (both included), START-, START+LENGTH, -LENGTH (the last)",
            HelpName = "RANGE",
        };
        return new Command("decrypt", "Decrypt an archive, or a range of it") { input, output, context, range, remote, force }.WithNotes("""
            Every byte written was verified, but only exit code 0 says that the archive was whole: with -o a file appears
            only then; what went to stdout has to be thrown away with any other code.

            --range reads the chunks it needs and the archive's end, and verifies those: of the rest it says nothing.
            """).Runs(async run =>
        {
            var part = run.Get(range) is { } text ? ByteRange.Parse(text) : (ByteRange?)null;
            if (part is not null && run.Get(remote))
            {
                throw CliError.Usage("A range is decrypted here, not inside the service.", "Leave --remote or --range away.");
            }
            using var archive = InputFile.Open(run.Get(input));
            using var file = OutputFile.Create(run.Get(output), run.Get(force));
            try
            {
                if (part is not null)
                {
                    await RangeDecryption.RunAsync(run, archive, Expected(run.Get(context)!), part.Value, file).ConfigureAwait(false);
                    return;
                }
                await RunAsync(run, "decrypt", archive, Expected(run.Get(context)!), run.Get(remote), file).ConfigureAwait(false);
            }
            catch (Exception e) when (!file.AppearsWhole
                && e is ArchiveException { Fault: not ArchiveFault.OtherContext } or KeyServiceException { Reason: "DECRYPTION_FAILED" })
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

    /// <summary>Decrypts into a file or stdout.</summary>
    private static async Task RunAsync(
        Invocation run, string operation, Stream archive, EncryptionContext? expected, bool remote, OutputFile file)
    {
        using var client = run.Connect();
        using var progress = new Progress("decrypting", InputFile.LengthOf(archive), run.Quiet);
        var report = await OpenAsync(client, remote, expected, archive, file.Stream, progress, run.Cancellation).ConfigureAwait(false);
        run.Cancellation.ThrowIfCancellationRequested();
        file.Commit();
        progress.Finish("decrypted", report.PlaintextBytes, file.Arrow);
        report.Write(run, operation, file.Path, progress.Elapsed, remote);
    }

    /// <summary>Opens an archive here or inside the service.</summary>
    public static Task<ArchiveReport> OpenAsync(
        KeyServiceClient client, bool remote, EncryptionContext? expected, Stream archive, Stream target, IProgress<long> progress,
        CancellationToken cancellation) => remote
        ? RemoteArchive.DecryptAsync(client, expected, archive, target, progress, cancellation)
        : LocalArchive.DecryptAsync(client, expected, archive, target, progress, cancellation);
}
