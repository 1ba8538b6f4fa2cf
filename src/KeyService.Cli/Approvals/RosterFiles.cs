using KeyService.Cli.CommandLine;
using KeyService.Cli.Files;
using KeyService.Client;
using KeyService.Crypto.Approvals;

namespace KeyService.Cli.Approvals;

/// <summary>Rosters out of files and out of the service.</summary>
internal static class RosterFiles
{
    public static async Task<SignedRoster> ReadAsync(string path, CancellationToken cancellation) =>
        SignedRoster.TryParse(await InputFile.ReadSmallAsync(path, SignedRoster.MaxLength, cancellation).ConfigureAwait(false), out var roster)
            ? roster!
            : throw new CliError(ExitCode.NotVerified, "NOT_A_ROSTER", $"{path} is no roster.",
            "Give the file that keyservice officer roster create wrote.");

    /// <summary>The service's chain, verified here; null when it has no roster.</summary>
    public static async Task<(RosterChain? Chain, byte[] Installation)> FetchAsync(KeyServiceClient client, CancellationToken cancellation)
    {
        var answer = await client.Approvals.ListRostersAsync(cancellation).ConfigureAwait(false);
        var rosters = new List<SignedRoster>();
        foreach (var document in answer.Rosters)
        {
            rosters.Add(SignedRoster.TryParse(document.Span, out var roster) ? roster! : throw Wrong("it does not parse"));
        }
        var chain = RosterChain.Verify(rosters, out var finding, out var sequence);
        if (chain is null && rosters.Count > 0)
        {
            throw Wrong($"roster {sequence}: {finding}");
        }
        return (chain, Installation(answer.Installation));
    }

    /// <summary>An installation's id.</summary>
    public static byte[] Installation(string hex) => hex.Length == 2 * ApprovalRequest.InstallationLength && hex.All(char.IsAsciiHexDigit)
        ? Convert.FromHexString(hex)
        : throw CliError.Usage($"\"{hex}\" is no installation's id.", "It is 32 hexadecimal digits; keyservice officer roster show prints it.");

    private static CliError Wrong(string why) => new(
        ExitCode.NotVerified, "ROSTER_NOT_VERIFIED", $"The service's roster does not verify: {why}.", "Sign nothing, and call the security officer.");
}
