using System.CommandLine;
using System.CommandLine.Invocation;
using KeyService.Cli.Archives;
using KeyService.Cli.Files;
using KeyService.Cli.Output;
using KeyService.Cli.Processes;

namespace KeyService.Cli.CommandLine;

/// <summary>From the arguments to the exit code.</summary>
internal static class CommandRunner
{
    /// <summary>How long an interrupted command may take to end by itself: a read of a pipe may never return.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromMilliseconds(500);

    public static async Task<int> RunAsync(string[] arguments)
    {
        var (own, producer) = CommandLineInput.Split(arguments);
        var root = CommandTree.Build(producer, own.FirstOrDefault());
        // "@" begins no response file here: a context value or a file may begin with it.
        var parse = root.Parse(own, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (own.Length == 0)
        {
            await root.Parse(["--help"]).InvokeAsync().ConfigureAwait(false);
            return ExitCode.Usage;
        }
        var errors = new ErrorReport(json: own.Contains(GlobalOptions.Json.Name));
        if (parse.Action is ParseErrorAction)
        {
            return errors.Write(CliError.Usage(CommandLineInput.ErrorOf(parse), $"See: {CommandLineInput.HelpLineFor(parse)}"));
        }
        if (producer is not null && parse.CommandResult.Command.Name != EncryptCommand.Name)
        {
            return errors.Write(CliError.Usage("Only encrypt takes a command after --.", $"See: {CommandLineInput.HelpLineFor(parse)}"));
        }
        using var interruption = new Interruption();
        try
        {
            var configuration = new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null };
            var work = Task.Run(() => parse.InvokeAsync(configuration, interruption.Token));
            await Task.WhenAny(work, interruption.Requested).ConfigureAwait(false);
            if (!work.IsCompleted)
            {
                await Task.WhenAny(work, Task.Delay(Grace)).ConfigureAwait(false);
                TemporaryFiles.RemoveAll();
            }
            return work.IsCompleted
                ? await work.ConfigureAwait(false)
                : errors.Write(new OperationCanceledException());
        }
        catch (Exception e)
        {
            return errors.Write(interruption.Token.IsCancellationRequested && e is not CliError { ExitCode: ExitCode.Interrupted } ? new OperationCanceledException("", e) : e);
        }
    }
}
