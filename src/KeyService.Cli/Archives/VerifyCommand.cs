using System.CommandLine;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Files;

namespace KeyService.Cli.Archives;

/// <summary><c>keyservice verify</c></summary>
internal static class VerifyCommand
{
    public static Command Create()
    {
        var input = DecryptCommand.Input("Archive to verify; stdin when absent or -");
        var context = DecryptCommand.ExpectedContext();
        var remote = DecryptCommand.Remote();
        return new Command("verify", "Open an archive wholly without writing anything; exit code 4 when it does not verify") { input, context, remote }
            .Runs(async run =>
            {
                using var archive = InputFile.Open(run.Get(input));
                await DecryptCommand.RunAsync(
                    run, "verify", archive, DecryptCommand.Expected(run.Get(context)!), run.Get(remote), file: null).ConfigureAwait(false);
            });
    }
}
