using KeyService.Cli.CommandLine;

namespace KeyService.Cli.Evidence;

/// <summary>A pack does not verify.</summary>
internal static class PackError
{
    /// <param name="what">A clause about the pack, "it has …".</param>
    public static CliError Of(string what) => new(
        ExitCode.NotVerified, "EVIDENCE_NOT_VERIFIED", $"The pack does not verify: {what}.", "Keep it as it is, and ask for another copy or a new pack.");
}
