using System.CommandLine;
using System.Security.Cryptography;
using KeyService.Cli.CommandLine;
using KeyService.Crypto.Ceremonies;

namespace KeyService.Cli.Ceremonies;

/// <summary><c>keyservice ceremony …</c></summary>
internal static class CeremonyCommands
{
    private const string PlanFile = "plan.json";
    private const string TranscriptFile = "transcript.kst";

    public static Command Create() => new("ceremony", "Hold key ceremonies, check their transcripts")
    {
        Genesis(), ShareCheck(), Resume(), TranscriptCommands.Sign(), TranscriptCommands.Verify(), TranscriptCommands.Show(), Script(),
    };

    private static Command Genesis()
    {
        var options = new CeremonyOptions();
        var command = new Command(CeremonyKind.Genesis, "Make the root of trust: a backup key in shares, a root key in the HSM")
        {
            options.Threshold, options.TransferKeys, options.ShareKeys,
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
            });
        });
    }

    private static Command ShareCheck()
    {
        var options = new CeremonyOptions();
        var genesis = CeremonyOptions.Genesis();
        var command = new Command(CeremonyKind.ShareCheck, "Compare each custodian's share with what was recorded of it") { genesis };
        options.AddTo(command, withToken: false);
        return command.WithNotes("Needs no token and no service. The shares are not combined.").Runs(run =>
            HoldAsync(run, options.Directory(run), options.Read(run, CeremonyKind.ShareCheck, withToken: false) with { Genesis = Path.GetFullPath(run.Required(genesis)) }));
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
            return HoldAsync(run, path, plan, CeremonyJournal.Open(Path.Combine(path, TranscriptFile), TimeProvider.System));
        });
    }

    private static Command Script()
    {
        var kind = new Argument<string>("KIND") { Description = string.Join(", ", Scripts().Select(each => each.Kind)) };
        return new Command("script", "Print what is done in a ceremony, step by step; its hash stands in the transcript") { kind }.Runs(run =>
        {
            var script = Find(run.Get(kind));
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
        if (Directory.Exists(directory) && Directory.EnumerateFileSystemEntries(directory).Any())
        {
            throw new CliError(ExitCode.Conflict, "ALREADY_EXISTS", $"{directory} is not empty.", "Each ceremony has a directory of its own. One that was begun goes on with keyservice ceremony resume.");
        }
        var script = Find(plan.Kind);
        RequireDesk(plan);
        Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        plan.Save(Path.Combine(directory, PlanFile));
        var header = new TranscriptHeader(RandomNumberGenerator.GetBytes(16), plan.Kind, plan.IsRehearsal, script.Hash);
        return await HoldAsync(invocation, directory, plan, CeremonyJournal.Create(Path.Combine(directory, TranscriptFile), header, TimeProvider.System)).ConfigureAwait(false);
    }

    private static async Task<int> HoldAsync(Invocation invocation, string directory, CeremonyPlan plan, CeremonyJournal journal)
    {
        using (journal)
        {
            var script = Find(plan.Kind);
            if (!journal.Transcript.Header.Script.Span.SequenceEqual(script.Hash))
            {
                throw new CliError(ExitCode.Conflict, "OTHER_SCRIPT", "The ceremony was begun by another script, that of another version of this command.", "Go on with the version that it was begun with.");
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

    // A pipe has no custodian at its end.
    private static void RequireDesk(CeremonyPlan plan)
    {
        if (Console.IsInputRedirected && !plan.IsRehearsal)
        {
            throw CliError.Usage("A ceremony is held at a terminal.", "Run it where the people are. Only a rehearsal (--rehearsal) reads its answers from a pipe.");
        }
    }

    private static CeremonyScript[] Scripts() => [GenesisScript.Create(), ShareCheckScript.Create()];

    private static CeremonyScript Find(string kind) => Array.Find(Scripts(), script => script.Kind == kind)
        ?? throw CliError.Usage($"There is no ceremony {kind}.", $"There are: {string.Join(", ", Scripts().Select(each => each.Kind))}.");
}
