using System.CommandLine;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using KeyService.Crypto.Approvals;

namespace KeyService.Cli.Approvals;

/// <summary><c>keyservice officer …</c></summary>
internal static class OfficerCommands
{
    public static Command Create() => new("officer", "Officers who approve: their keys, and the roster that names them")
    {
        new Command("key", "An officer's own key") { CreateKey() },
        new Command("roster", "The roster of officers: create, sign, install, show") { CreateRoster(), Sign(), Install(), Show() },
    };

    private static Command CreateKey()
    {
        var path = new Argument<string>("FILE") { Description = "Where the key goes; its public key goes to FILE.pub" };
        var descriptor = ApprovalOptions.PassphraseDescriptor();
        return new Command("create", "Make a key that signs approvals, encrypted under a passphrase; needs no service") { path, descriptor }
            .WithNotes("Keep the key on a machine or medium of the officer's own. Nobody else needs it, the service least of all.").Runs(async run =>
            {
                using var key = OfficerKey.Make();
                using var passphrase = Passphrase.Read(run.Get(descriptor), "for the new key", twice: true);
                await ApprovalCommands.WriteAsync(run.Get(path), Encoding.ASCII.GetBytes(key.Encrypted(passphrase)),
                    run.Cancellation).ConfigureAwait(false);
                await ApprovalCommands.WriteAsync(run.Get(path) + ".pub", Encoding.ASCII.GetBytes(key.PublicPem()),
                    run.Cancellation).ConfigureAwait(false);
                run.Report.Write(new Record
                {
                    ["key"] = run.Get(path), ["public_key"] = run.Get(path) + ".pub",
                    ["key_sha256"] = Convert.ToHexStringLower(SHA256.HashData(key.PublicKey)),
                });
            });
    }

    private static Command CreateRoster()
    {
        var output = new Option<string>("--output", "-o") { Description = "Where the roster goes, to be signed", HelpName = "FILE", Required = true };
        var quorum = new Option<int>("--quorum") { Description = "How many officers must approve, 2 to 64", HelpName = "M", Required = true };
        var officers = new Option<string[]>("--officer")
        {
            Description = "An officer and the file of the public key, once for each", HelpName = "NAME=FILE", Required = true,
        };
        var validFrom = new Option<string?>("--valid-from") { Description = "From when on it decides (RFC 3339, UTC); else now", HelpName = "TIME" };
        return new Command("create", "Write the next roster of this installation, for its officers to sign")
        {
            output, quorum, officers, validFrom,
        }.Runs(async run =>
        {
            if (!Quorum.TryOf(run.Required(quorum), out var required))
            {
                throw CliError.Usage("A quorum is 2 to 64 officers.", "One officer alone is no quorum, and never will be.");
            }
            var named = new List<Officer>();
            foreach (var (name, path) in run.Required(officers).Select(Split))
            {
                named.Add(new Officer(name, await OfficerKey.ReadPublicAsync(path, run.Cancellation).ConfigureAwait(false)));
            }
            using var client = run.Connect();
            var (chain, installation) = await RosterFiles.FetchAsync(client, run.Cancellation).ConfigureAwait(false);
            try
            {
                var signed = SignedRoster.Of(Roster.Create(installation, chain?.Newest, TimeOf(run.Get(validFrom)), required, named));
                await ApprovalCommands.WriteAsync(run.Required(output), signed.ToArray(), run.Cancellation).ConfigureAwait(false);
                run.Report.Write(ApprovalRecords.Of(signed));
            }
            catch (ArgumentException e)
            {
                throw CliError.Usage(e.Message.Split(" (Parameter")[0],
                    "Name at least as many officers as the quorum, each once and each with a key of his or her own.");
            }
        });
    }

    private static Command Sign()
    {
        var path = File();
        var (key, descriptor, yes) = (ApprovalOptions.Key(), ApprovalOptions.PassphraseDescriptor(), ApprovalOptions.Yes());
        var officer = new Option<string>("--officer") { Description = "Who signs, by the id in the roster", HelpName = "NAME", Required = true };
        var accept = new Option<bool>("--accept") { Description = "Accept a place or a new key in a later roster; else an officer of the roster before appoints" };
        return new Command("sign", "Sign a roster with the officer's own key; the file gets the signature") { path, key, descriptor, officer, accept, yes }
            .WithNotes("""
                The first roster is accepted by all its officers. A later one is appointed by a quorum of the officers before, and accepted (--accept) by
                whoever is new or has a new key.
                """)
            .Runs(async run =>
            {
                var roster = await RosterFiles.ReadAsync(run.Get(path), run.Cancellation).ConfigureAwait(false);
                var accepts = run.Get(accept) || roster.Roster.Sequence == 1;
                using var signer = await OfficerKey.ReadAsync(run.Required(key), run.Get(descriptor), run.Cancellation).ConfigureAwait(false);
                if (accepts && !(roster.Roster.Find(run.Required(officer)) is { } own && own.PublicKey.Span.SequenceEqual(signer.PublicKey)))
                {
                    throw new CliError(ExitCode.Refused, "OTHER_KEY", $"The roster has no officer {run.Required(officer)} with this key.",
                        "Check name and key; keyservice officer roster show FILE shows both.");
                }
                run.Report.Write(ApprovalRecords.Of(roster));
                ApprovalOptions.Confirm(run.Get(yes), $"{(accepts ? "Accept" : "Appoint")} this roster as {run.Required(officer)}?");
                await ApprovalCommands.WriteAsync(run.Get(path), roster.Sign(accepts, run.Required(officer), signer.Sign).ToArray(),
                    run.Cancellation, force: true).ConfigureAwait(false);
            });
    }

    private static Command Install()
    {
        var path = File();
        var requestId = GlobalOptions.RequestId();
        return new Command("install", "Install a roster that its officers have signed; the first one begins to demand quorums")
        {
            path, requestId,
        }.Runs(async run =>
        {
            var roster = await RosterFiles.ReadAsync(run.Get(path), run.Cancellation).ConfigureAwait(false);
            using var client = run.Connect();
            var installed = await client.Approvals.InstallRosterAsync(roster.ToArray(), run.Get(requestId), run.Cancellation).ConfigureAwait(false);
            run.Report.Write(new Record { ["sequence"] = (long)installed.Sequence, ["hash"] = installed.Hash });
        });
    }

    private static Command Show()
    {
        var path = new Argument<string?>("FILE") { Description = "A roster's file; else the service's rosters", Arity = ArgumentArity.ZeroOrOne };
        return new Command("show", "Show a roster: hash, quorum, officers, who signed") { path }.Runs(async run =>
        {
            if (run.Get(path) is { } file)
            {
                run.Report.Write(ApprovalRecords.Of(await RosterFiles.ReadAsync(file, run.Cancellation).ConfigureAwait(false)));
                return;
            }
            using var client = run.Connect();
            var (chain, installation) = await RosterFiles.FetchAsync(client, run.Cancellation).ConfigureAwait(false);
            if (chain is null)
            {
                run.Report.WriteLine(
                    new Record { ["installation"] = Convert.ToHexStringLower(installation), ["sequence"] = null },
                    $"No roster is installed: whoever holds the permission acts alone. Installation {Convert.ToHexStringLower(installation)}.");
                return;
            }
            foreach (var roster in chain.Rosters)
            {
                run.Report.Write(ApprovalRecords.Of(roster));
            }
        });
    }

    private static DateTimeOffset TimeOf(string? text) => text is null
        ? TimeProvider.System.GetUtcNow()
        : DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var time)
            ? time
            : throw CliError.Usage($"\"{text}\" is no time.", "Write 2026-03-01T10:00:00Z.");

    private static (string Name, string Path) Split(string text) => text.IndexOf('=', StringComparison.Ordinal) is var at && at > 0
        && at < text.Length - 1
        ? (text[..at], text[(at + 1)..])
        : throw CliError.Usage($"\"{text}\" is no officer.", "Write --officer NAME=FILE.pub.");

    private static Argument<string> File() => new("FILE") { Description = "The roster's file" };
}
