using System.CommandLine;
using System.Security.Cryptography;
using KeyService.Cli.CommandLine;
using KeyService.Crypto;
using KeyService.Crypto.Ceremonies;
using KeyService.Crypto.IO;

namespace KeyService.Cli.Ceremonies;

/// <summary><c>keyservice ceremony …</c></summary>
internal static class CeremonyCommands
{
    private const string PlanFile = "plan.json";
    private const string TranscriptFile = "transcript.kst";

    public static Command Create() => new("ceremony", "Hold key ceremonies, check their transcripts")
    {
        Genesis(), ShareCheck(), BackupKey(), BackupExport(), RestoreDrill(), Restore(), OfficerEnrolment(), KeyDestruction(), BreakGlassReview(), Resume(), TranscriptCommands.Sign(), TranscriptCommands.Verify(), TranscriptCommands.Show(), Script(), PrintCommand.Create(),
        RecordedCommands.Record(), RecordedCommands.List(), RecordedCommands.Fetch(), RecordedCommands.Custody(),
    };

    private static Command Genesis()
    {
        var options = new CeremonyOptions();
        var command = new Command(CeremonyKind.Genesis, "Make the root of trust: a backup key in shares, a root key in the HSM")
        {
            options.Threshold, options.TransferKeys, options.ShareKeys, options.SharePrinter,
        };
        options.AddTo(command, withToken: true);
        return command.WithNotes("""
            Hold it on a machine that is on no network and is switched off afterwards. Read the script beforehand (keyservice ceremony script genesis), and
            rehearse with the same people. Everything is asked one thing at a time; stop ends it at any question, and that is recorded too.
            """).Runs(run =>
        {
            var plan = options.Read(run, CeremonyKind.Genesis, withToken: true);
            return HoldAsync(run, options.Directory(run), plan with
            {
                Threshold = options.ThresholdFor(run, plan),
                TransferKeys = [.. run.Get(options.TransferKeys)!.Select(Path.GetFullPath)],
                ShareKeys = options.ShareKeysOf(run, plan),
                SharePrinter = options.SharePrinterOf(run),
            });
        });
    }

    private static Command ShareCheck()
    {
        var options = new CeremonyOptions();
        var command = new Command(CeremonyKind.ShareCheck, "Compare each custodian's share with what was recorded of it") { options.Genesis };
        options.AddTo(command, withToken: false);
        return command.WithNotes("Needs no token and no service. The shares are not combined.").Runs(run =>
        {
            var plan = options.Read(run, CeremonyKind.ShareCheck, withToken: false);
            return HoldAsync(run, options.Directory(run), plan with
            {
                Genesis = options.GenesisOf(run) ?? throw CliError.Usage("The record of the shares is missing.", "Name the transcript of the ceremony that made them: --of FILE."),
            });
        });
    }

    private static Command BackupKey()
    {
        var options = new CeremonyOptions();
        var command = new Command(CeremonyKind.BackupKey, "Split the backup key into new shares: a custodian leaves, a share was lost") { options.Genesis, options.Threshold, options.ShareKeys, options.SharePrinter };
        options.AddTo(command, withToken: false);
        options.AddFormerCustodiansTo(command);
        return command.WithNotes("Custodians are those who get the new shares; whoever only brings one of the set before is named with --former. Needs no token and no service.").Runs(run =>
        {
            var plan = options.Read(run, CeremonyKind.BackupKey, withToken: false);
            return HoldAsync(run, options.Directory(run), plan with
            {
                Genesis = options.GenesisOf(run) ?? throw CliError.Usage("The record of the shares before is missing.", "Name the transcript of the ceremony that made them: --of FILE."),
                Threshold = options.ThresholdFor(run, plan),
                ShareKeys = options.ShareKeysOf(run, plan),
                SharePrinter = options.SharePrinterOf(run),
            });
        });
    }

    private static Command OfficerEnrolment()
    {
        var options = new CeremonyOptions();
        var roster = new Option<string>("--roster") { Description = "The roster (keyservice officer roster create); the file gets the signatures", HelpName = "FILE", Required = true };
        var command = new Command(CeremonyKind.OfficerEnrolment, "Have officers accept the roster that names them, each with a key of his or her own") { roster };
        options.AddTo(command, withToken: false);
        options.AddOfficersTo(command);
        return command.Runs(run => HoldAsync(run, options.Directory(run), options.Read(run, CeremonyKind.OfficerEnrolment, withToken: false) with
        {
            Documents = [Path.GetFullPath(run.Required(roster))],
        }));
    }

    private static Command KeyDestruction()
    {
        var options = new CeremonyOptions();
        var documents = Documents("The certificate (keyservice destruction certificate), once for each file");
        var copies = new Option<string[]>("--copy") { Description = "A copy that is destroyed: which medium, which bag, from where", HelpName = "TEXT", Required = true };
        var command = new Command(CeremonyKind.KeyDestruction, "Destroy the bundles and dumps that still hold a destroyed key, before witnesses") { documents, copies };
        options.AddTo(command, withToken: false);
        return command.Runs(run => HoldAsync(run, options.Directory(run), options.Read(run, CeremonyKind.KeyDestruction, withToken: false) with
        {
            Documents = [.. run.Required(documents).Select(Path.GetFullPath)], Copies = run.Required(copies),
        }));
    }

    private static Command BreakGlassReview()
    {
        var options = new CeremonyOptions();
        var documents = Documents("What the review is about (keyservice audit search --principal NAME), once for each file");
        var command = new Command(CeremonyKind.BreakGlassReview, "Judge what was done with emergency access") { documents };
        options.AddTo(command, withToken: false);
        return command.Runs(run => HoldAsync(run, options.Directory(run), options.Read(run, CeremonyKind.BreakGlassReview, withToken: false) with
        {
            Documents = [.. run.Required(documents).Select(Path.GetFullPath)],
        }));
    }

    private static Option<string[]> Documents(string description) => new("--document") { Description = description, HelpName = "FILE", Required = true };

    private static Command BackupExport()
    {
        var options = new CeremonyOptions();
        var destinations = new Option<string[]>("--copy-to") { Description = "Directory on a medium, once for each copy; two or more", HelpName = "DIRECTORY", Required = true };
        var command = new Command(CeremonyKind.BackupExport, "Copy bundles to media, read them back, hand them to who takes them away") { options.Bundles, options.BundleKey, destinations };
        options.AddTo(command, withToken: false);
        return command.WithNotes("Custodians here are who takes the copies, in their order. Needs no token, no share and no service.").Runs(run =>
        {
            var places = run.Required(destinations);
            if (places.Length < 2 || places.Select(Path.GetFullPath).Distinct(StringComparer.Ordinal).Count() < places.Length)
            {
                throw CliError.Usage("One copy is none.", "Name two places or more, each with --copy-to.");
            }
            var plan = options.WithBundles(run, options.Read(run, CeremonyKind.BackupExport, withToken: false));
            CeremonyOptions.RequireCustodians(plan, 1);
            return HoldAsync(run, options.Directory(run), plan with { Destinations = [.. places.Select(Path.GetFullPath)] });
        });
    }

    private static Command RestoreDrill()
    {
        var options = new CeremonyOptions();
        var officerPin = new Option<string?>("--so-pin-file") { Description = "File with the security officer's PIN of the scratch token, to initialise it again with; else its root key is destroyed", HelpName = "FILE" };
        var command = new Command(CeremonyKind.RestoreDrill, "Bring every key of a bundle back onto a scratch token, and wipe it") { options.Genesis, options.Bundles, options.BundleKey, officerPin };
        options.AddTo(command, withToken: true);
        return command.WithNotes("The scratch token may be of another vendor. The service is not touched, and need not be there.").Runs(run =>
        {
            var plan = options.WithBundles(run, options.Read(run, CeremonyKind.RestoreDrill, withToken: true));
            CeremonyOptions.RequireCustodians(plan, 2);
            return HoldAsync(run, options.Directory(run), plan with { OfficerPinFile = run.Get(officerPin) is { } pin ? Path.GetFullPath(pin) : null });
        });
    }

    private static Command Restore()
    {
        var options = new CeremonyOptions();
        var config = new Option<string>("--config") { Description = "Configuration of the server that is made again", HelpName = "FILE", Required = true };
        var server = new Option<string[]>("--server") { Description = "What else the server's restore is told, for example --server=--admin-unix-uid=0", HelpName = "OPTION", DefaultValueFactory = _ => [] };
        var command = new Command(CeremonyKind.Restore, "Make the installation of its bundles again, on a new token and an empty store") { options.Genesis, options.Bundles, options.BundleKey, config, server };
        options.AddTo(command, withToken: true);
        return command.WithNotes("""
            For the day on which token and database are gone. Token options and configuration name the same token. What is said with --server goes to the
            server's restore as it is: the first administrator, as with init (--server=--admin-name=alice --server=--admin-certificate-uri=URI).
            """).Runs(run =>
        {
            var plan = options.WithBundles(run, options.Read(run, CeremonyKind.Restore, withToken: true));
            CeremonyOptions.RequireCustodians(plan, 2);
            if (plan.BundleKey is null)
            {
                throw CliError.Usage("Nobody named the key that must have signed the bundles.", "Give it with --bundle-key FILE; keyservice backup signing-key wrote it while the service stood.");
            }
            return HoldAsync(run, options.Directory(run), plan with { ServerArguments = ["--config", Path.GetFullPath(run.Required(config)), .. run.Get(server)!] });
        });
    }

    private static Command Resume()
    {
        var directory = new Argument<string>("DIRECTORY") { Description = "Where the ceremony was begun" };
        return new Command("resume", "Go on with a ceremony that was interrupted, or record that it is void") { directory }.Runs(run =>
        {
            var path = run.Get(directory);
            if (!File.Exists(Path.Combine(path, PlanFile)))
            {
                throw new CliError(ExitCode.Conflict, "NOT_FOUND", $"{path} holds no ceremony.", "Name the directory in which it was begun.");
            }
            var plan = CeremonyPlan.Load(Path.Combine(path, PlanFile));
            // Interrupted between plan and transcript nothing had begun yet.
            return HoldAsync(run, path, plan, File.Exists(Path.Combine(path, TranscriptFile)) ? CeremonyJournal.Open(Path.Combine(path, TranscriptFile), TimeProvider.System) : Begin(path, plan));
        });
    }

    private static Command Script()
    {
        var kind = new Argument<string>("KIND") { Description = string.Join(", ", CeremonyScripts.All().Select(each => each.Kind)) };
        return new Command("script", "Print what is done in a ceremony, step by step; its hash stands in the transcript") { kind }.Runs(run =>
        {
            var script = CeremonyScripts.Get(run.Get(kind));
            if (run.Json)
            {
                run.Report.Write(new Output.Record { ["kind"] = script.Kind, ["sha256"] = Convert.ToHexStringLower(script.Hash), ["text"] = script.ToText() });
            }
            else
            {
                run.Report.WriteText($"{script.ToText()}\nSHA-256 of this text: {Convert.ToHexStringLower(script.Hash)}\n");
            }
            return Task.CompletedTask;
        });
    }

    private static async Task<int> HoldAsync(Invocation invocation, string directory, CeremonyPlan plan)
    {
        if (Directory.Exists(directory))
        {
            // Of one that was ended before it had begun.
            DurableFile.DeleteLeftovers(Path.Combine(directory, PlanFile));
        }
        if (Directory.Exists(directory) && Directory.EnumerateFileSystemEntries(directory).Any())
        {
            throw new CliError(ExitCode.Conflict, "ALREADY_EXISTS", $"{directory} is not empty.", "Each ceremony has a directory of its own. One that was begun goes on with keyservice ceremony resume.");
        }
        RequireDesk(plan);
        // Before people come together, not in the middle of it.
        if (plan.Files.FirstOrDefault(path => !File.Exists(path)) is { } missing)
        {
            throw CliError.Usage($"{missing} is not there.", "Check the path. Nothing was begun.");
        }
        Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        plan.Save(Path.Combine(directory, PlanFile));
        return await HoldAsync(invocation, directory, plan, Begin(directory, plan)).ConfigureAwait(false);
    }

    private static async Task<int> HoldAsync(Invocation invocation, string directory, CeremonyPlan plan, CeremonyJournal journal)
    {
        using (journal)
        {
            // From the first secret on, which may be in any step when a ceremony is taken up again; the transcript says whether it worked.
            _ = ProcessHardening.TryLockMemory();
            var script = CeremonyScripts.Get(plan.Kind);
            if (!journal.Transcript.Header.Script.Span.SequenceEqual(script.Hash))
            {
                throw new CliError(ExitCode.Conflict, "OTHER_SCRIPT", "The ceremony was begun by another script, that of another version of this command.", "Go on with the version that it was begun with.");
            }
            if (journal.Transcript.Header.Kind != plan.Kind || journal.Transcript.Header.IsRehearsal != plan.IsRehearsal)
            {
                throw new CliError(ExitCode.Conflict, "OTHER_PLAN", $"{PlanFile} is not the plan that this ceremony was begun with.", "Put the right one back; the transcript says which kind it is, and whether it is a rehearsal.");
            }
            RequireDesk(plan);
            using ICeremonyDesk desk = Console.IsInputRedirected ? new PipedDesk() : new TerminalDesk(plan.IsRehearsal);
            var run = new CeremonyRun(plan, script, journal, desk, Path.GetFullPath(directory), TimeProvider.System);
            await using (run.ConfigureAwait(false))
            {
                run.RecallPeople();
                var code = await CeremonyRunner.RunAsync(run, invocation.Cancellation).ConfigureAwait(false);
                if (invocation.Json)
                {
                    invocation.Report.Write(TranscriptRecords.Of(journal.Transcript, journal.Path));
                }
                return code;
            }
        }
    }

    private static CeremonyJournal Begin(string directory, CeremonyPlan plan) => CeremonyJournal.Create(
        Path.Combine(directory, TranscriptFile), new TranscriptHeader(RandomNumberGenerator.GetBytes(16), plan.Kind, plan.IsRehearsal, CeremonyScripts.Get(plan.Kind).Hash), TimeProvider.System);

    // A pipe has no custodian at its end.
    private static void RequireDesk(CeremonyPlan plan)
    {
        if (Console.IsInputRedirected && !plan.IsRehearsal)
        {
            throw CliError.Usage("A ceremony is held at a terminal.", "Run it where the people are. Only a rehearsal (--rehearsal) reads its answers from a pipe.");
        }
    }
}
