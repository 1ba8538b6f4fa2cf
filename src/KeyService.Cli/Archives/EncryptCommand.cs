using System.CommandLine;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Files;
using KeyService.Cli.Output;

namespace KeyService.Cli.Archives;

/// <summary><c>keyservice encrypt</c></summary>
internal static class EncryptCommand
{
    public const string Name = "encrypt";

    /// <param name="producer">What stood after <c>--</c>, or null.</param>
    public static Command Create(string[]? producer)
    {
        var input = new Argument<string?>("IN") { Description = "File to encrypt; stdin when absent or -", Arity = ArgumentArity.ZeroOrOne };
        var key = GlobalOptions.Key();
        var context = GlobalOptions.Context();
        var output = GlobalOptions.Output("Archive; appears only when it is whole. stdout when absent");
        var name = new Option<string?>("--name")
        {
            Description = "What is archived, visible in the archive; else the input's file name",
            HelpName = "TEXT",
        };
        var remote = new Option<bool>("--remote") { Description = "Encrypt inside the service: no data key comes here" };
        var force = GlobalOptions.Force();
        var command = new Command(Name, "Encrypt a file, stdin, or the output of a command (after --) into an archive")
        {
            input, key, context, output, name, remote, force,
        };
        return command.WithNotes("""
            Examples:
              keyservice encrypt --key ehr-backup -o notes.ksa notes.txt
              keyservice encrypt --key ehr-backup -o dump.ksa -- pg_dump ehr

            The second runs the command itself and finishes the archive only when it exits with 0. A pipe cannot tell a
            dead producer from a finished one: prefer this to "pg_dump ehr | keyservice encrypt".
            """).Runs(run => RunAsync(
            run,
            new ArchiveRequest(run.Required(key), ContextPairs.Parse(run.Get(context)!), run.Get(name)),
            new InputChoice(run.Get(input), producer), run.Get(output), run.Get(force), run.Get(remote)));
    }

    private static async Task RunAsync(
        Invocation run, ArchiveRequest request, InputChoice input, string? outputPath, bool force, bool remote)
    {
        input.Check();
        using var source = new ArchiveSource(input);
        using var output = OutputFile.Create(outputPath, force);
        using var client = run.Connect();
        request = request with { ContentName = request.ContentName ?? source.ContentName };
        using var progress = new Progress("encrypting", source.Length, run.Quiet);
        var report = remote
            ? await RemoteArchive.EncryptAsync(client, request, source, output.Stream, progress, run.Cancellation).ConfigureAwait(false)
            : await LocalArchive.EncryptAsync(client, request, source, output.Stream, progress, run.Cancellation).ConfigureAwait(false);
        run.Cancellation.ThrowIfCancellationRequested();
        output.Commit();
        progress.Finish("encrypted", report.PlaintextBytes, output.Arrow);
        report.Write(run, "encrypt", output.Path, progress.Elapsed, remote);
    }
}
