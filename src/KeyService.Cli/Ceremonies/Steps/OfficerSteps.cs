using System.Security.Cryptography;
using KeyService.Cli.Approvals;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Files;
using KeyService.Crypto.Approvals;
using KeyService.Crypto.Ceremonies;
using KeyService.Crypto.IO;

namespace KeyService.Cli.Ceremonies;

/// <summary>Officers accept the roster that names them, each with a key that nobody else has.</summary>
internal static class OfficerSteps
{
    public static async Task ShowRosterAsync(CeremonyRun run, CancellationToken cancellation)
    {
        var roster = (await ReadAsync(run, cancellation).ConfigureAwait(false)).Roster;
        run.Fact("roster.hash", Convert.ToHexStringLower(roster.Hash));
        run.Fact("roster.quorum", $"{roster.Quorum} of {roster.Officers.Count}, sequence {roster.Sequence}, valid from {Output.Record.Time(roster.ValidFrom)}");
        foreach (var officer in roster.Officers)
        {
            run.Observe("3", $"Officer {officer.Id}, key {Convert.ToHexStringLower(SHA256.HashData(officer.PublicKey.Span))}");
        }
        var here = run.Present.Where(each => each.Role == CeremonyRole.Officer).Select(each => each.Name).ToList();
        var strangers = here.Where(name => roster.Find(name) is null).ToList();
        if (strangers.Count > 0)
        {
            throw new CliError(ExitCode.Conflict, "NOT_IN_ROSTER", $"The roster has no {string.Join(", ", strangers)}.", "Make the roster with everybody who is enrolled (keyservice officer roster create).");
        }
        if (roster.Sequence == 1 && roster.Officers.Any(officer => !here.Contains(officer.Id)))
        {
            throw new CliError(ExitCode.Conflict, "OFFICER_MISSING", $"Not here: {string.Join(", ", roster.Officers.Select(each => each.Id).Except(here))}.",
                "Every officer of the first roster accepts it. Hold the ceremony when all are here.");
        }
    }

    public static async Task AcceptAsync(CeremonyRun run, CancellationToken cancellation)
    {
        foreach (var (officer, at) in run.Present.Where(each => each.Role == CeremonyRole.Officer).Select((each, at) => (each, at)))
        {
            await run.PartAsync($"4/{at + 1}", $"{officer.FullName} accepts", officer, () => AcceptAsync(run, $"4/{at + 1}", officer, cancellation)).ConfigureAwait(false);
        }
    }

    private static async Task AcceptAsync(CeremonyRun run, string step, CeremonyPerson officer, CancellationToken cancellation)
    {
        var roster = await ReadAsync(run, cancellation).ConfigureAwait(false);
        var fingerprint = Convert.ToHexStringLower(SHA256.HashData(roster.Roster.Find(officer.Name)!.PublicKey.Span));
        if (run.Desk.Ask($"{officer.FullName}: type the last eight digits of your key's fingerprint, from your own paper.") != fingerprint[^8..])
        {
            throw new CliError(ExitCode.NotVerified, "OTHER_KEY", $"The roster names another key for {officer.Name}: {fingerprint}.", "Nothing was signed. Make the roster again with the right key.");
        }
        var file = run.Plan.SigningKeys.GetValueOrDefault(officer.Name) ?? run.Desk.Ask($"{officer.FullName}: the file of your own key.");
        using var passphrase = run.Desk.AskPassphrase($"of {file} ({officer.FullName})");
        using var key = await OfficerKey.ReadAsync(file, passphrase, cancellation).ConfigureAwait(false);
        if (!roster.Roster.Find(officer.Name)!.PublicKey.Span.SequenceEqual(key.PublicKey))
        {
            throw new CliError(ExitCode.Refused, "OTHER_KEY", $"{file} is another key than the roster has for {officer.Name}.", "Take the key that the roster names.");
        }
        var signed = roster.Sign(accepts: true, officer.Name, key.Sign).ToArray();
        DurableFile.DeleteLeftovers(run.Plan.Documents[0]);
        DurableFile.WriteAllBytes(run.Plan.Documents[0], signed, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        run.Observe(step, $"{officer.FullName} accepts with key {fingerprint}.");
    }

    private static async Task<SignedRoster> ReadAsync(CeremonyRun run, CancellationToken cancellation) =>
        SignedRoster.TryParse(await InputFile.ReadSmallAsync(run.Plan.Documents[0], SignedRoster.MaxLength, cancellation).ConfigureAwait(false), out var roster)
            ? roster!
            : throw CliError.Usage($"{run.Plan.Documents[0]} is no roster.", "keyservice officer roster create writes one.");
}
