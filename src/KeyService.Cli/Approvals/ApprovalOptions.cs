using System.CommandLine;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;

namespace KeyService.Cli.Approvals;

/// <summary>Options of the commands that sign.</summary>
internal static class ApprovalOptions
{
    public static Option<string> Key() => new("--signing-key")
    {
        Description = "The officer's own key, as officer key create made it", HelpName = "FILE", Required = true,
    };

    public static Option<int?> PassphraseDescriptor() =>
        new("--passphrase-fd") { Description = "File descriptor with the passphrase as one line; else it is asked for", HelpName = "N" };

    public static Option<string?> Officer() => new("--officer")
    {
        Description = "The officer's id in the roster; else the profile's principal", HelpName = "NAME",
    };

    public static Option<bool> Yes() => new("--yes") { Description = "Sign without asking once more" };

    /// <summary>Asks before a signature, where somebody can answer.</summary>
    public static void Confirm(bool yes, string question)
    {
        if (yes)
        {
            return;
        }
        if (Console.IsInputRedirected)
        {
            throw CliError.Usage("Nobody is there to be asked.", "Read what is shown (keyservice approval show), and sign with --yes.");
        }
        Console.Error.Write($"{Terminal.Printable(question)} [yes/no] ");
        if (Console.ReadLine()?.Trim() != "yes")
        {
            throw new CliError(ExitCode.Interrupted, "INTERRUPTED", "Nothing was signed.", "Answer yes to sign.");
        }
    }
}
