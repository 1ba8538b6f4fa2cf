using System.Diagnostics;
using KeyService.Crypto.Ceremonies;
using KeyService.IntegrationTests.Hsm;

namespace KeyService.IntegrationTests.Ceremonies;

/// <summary>How a rehearsal ended, and what was asked and said in it.</summary>
internal sealed record RehearsalResult(int ExitCode, string Said, IReadOnlyList<string> Questions, string Output);

/// <summary>
/// The people of a rehearsal: they answer what the command asks at the other end of a pipe, keep their shares, and type them again when they are asked to.
/// </summary>
internal sealed class Rehearsal : IDisposable
{
    private static readonly (string Name, string FullName)[] Everybody =
        [("carol", "Carol Chen"), ("dave", "Dave Diaz"), ("erin", "Erin Evans"), ("frank", "Frank Fox"), ("grace", "Grace Gray")];

    private static readonly Lazy<Task<Rehearsal>> First = new(MakeAsync);
    private static readonly Lazy<Task<Rehearsal>> Second = new(MakeAsync);

    private readonly string? token;
    private readonly string label;
    private HsmSimControl? simulator;
    private string module = Infrastructure.SoftHsmModule;

    private Rehearsal(string? token, string label = "rehearsal")
    {
        this.token = token is null ? null : System.IO.Path.GetFullPath(token, Path);
        this.label = label;
    }

    /// <summary>On a SoftHSM token that stands already, with softhsm2.conf and pin beside it.</summary>
    public static Rehearsal OnToken(string directory, string label) => new(directory, label);

    public string Path { get; } = Directory.CreateTempSubdirectory("keyservice-rehearsal-").FullName;

    /// <summary>Full name of a custodian to the words on his or her paper.</summary>
    public Dictionary<string, string> Papers { get; private init; } = [];

    /// <summary>Answers other than the usual ones: the first whose beginning a question contains.</summary>
    public List<(string Question, string Answer)> Answers { get; } = [];

    public static async Task<Rehearsal> WithTokenAsync()
    {
        Infrastructure.RequireSoftHsm();
        var rehearsal = new Rehearsal("token");
        (await Command.RunAsync(System.IO.Path.Combine(Infrastructure.RepositoryRoot, "hsm-sim/rehearsal.sh"), [System.IO.Path.Combine(rehearsal.Path, "token")])).ExpectExit(0);
        return rehearsal;
    }

    public static Rehearsal WithoutToken() => new(null);

    /// <summary>A genesis with two of three, in the directory "genesis", for tests of what comes after one. Made once for a run: what it made is only read.</summary>
    public static Task<Rehearsal> HeldAsync() => First.Value;

    /// <summary>Another one, of another key.</summary>
    public static Task<Rehearsal> HeldElsewhereAsync() => Second.Value;

    /// <summary>The words of a custodian who has them from elsewhere than the screen.</summary>
    public Func<string, string?> Opening { get; set; } = _ => null;

    /// <summary>The same people with the same papers, another day, in another directory.</summary>
    public async Task<Rehearsal> AnotherDayAsync(bool withToken)
    {
        var other = new Rehearsal(withToken ? "token" : null) { Papers = new(Papers) };
        if (withToken)
        {
            (await Command.RunAsync(System.IO.Path.Combine(Infrastructure.RepositoryRoot, "hsm-sim/rehearsal.sh"), [System.IO.Path.Combine(other.Path, "token")])).ExpectExit(0);
        }
        return other;
    }

    /// <summary>The same place, people and papers again, for another test to go on from.</summary>
    public Rehearsal Copy()
    {
        var other = new Rehearsal(token is null ? null : System.IO.Path.GetRelativePath(Path, token), label) { Papers = new(Papers) };
        foreach (var directory in Directory.GetDirectories(Path, "*", SearchOption.AllDirectories))
        {
            Directory.CreateDirectory(other.File(System.IO.Path.GetRelativePath(Path, directory)));
        }
        foreach (var file in Directory.GetFiles(Path, "*", SearchOption.AllDirectories))
        {
            var target = other.File(System.IO.Path.GetRelativePath(Path, file));
            System.IO.File.Copy(file, target);
            if (System.IO.Path.GetFileName(file) == "softhsm2.conf")
            {
                System.IO.File.WriteAllText(target, System.IO.File.ReadAllText(file).Replace(Path, other.Path, StringComparison.Ordinal));
            }
        }
        return other;
    }

    /// <summary>From now on the token stands behind a module that can hold a call.</summary>
    public async Task SimulateAsync()
    {
        module = await HsmSimControl.ModuleAsync();
        simulator = new HsmSimControl(Path);
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);

    public string File(string name) => System.IO.Path.Combine(Path, name);

    /// <summary>Who takes part, with so many custodians.</summary>
    public static string[] People(int custodians) =>
    [
        "--administrator", "alice=Alice Adams", "--witness", "bob=Bob Baker", .. Custodians(custodians),
    ];

    /// <summary>The first so many of those who hold shares.</summary>
    public static string[] Custodians(int count) => [.. Everybody.Take(count).SelectMany(each => new[] { "--custodian", $"{each.Name}={each.FullName}" })];

    public string[] Token() => ["--module", module, "--token-label", label, "--pin-file", $"{token}/pin"];

    public Task<RehearsalResult> GenesisAsync(string directory, int threshold, int custodians, params string[] more) =>
        RunAsync(null, ["ceremony", "genesis", "--rehearsal", "--directory", File(directory), "--threshold", $"{threshold}", .. Token(), .. People(custodians), .. more]);

    public Transcript Transcript(string directory)
    {
        Assert.True(KeyService.Crypto.Ceremonies.Transcript.TryParse(System.IO.File.ReadAllBytes(File($"{directory}/transcript.kst")), out var transcript));
        return transcript!;
    }

    /// <summary>Runs the command and answers; at that place the process is killed.</summary>
    public async Task<RehearsalResult> RunAsync(KillPlace? place, params string[] arguments)
    {
        var environment = new Dictionary<string, string?> { ["KEYSERVICE_SERVER"] = Executables.Server };
        if (token is not null)
        {
            environment["SOFTHSM2_CONF"] = $"{token}/softhsm2.conf";
        }
        foreach (var (name, value) in (await (place?.EnvironmentAsync(Path) ?? Task.FromResult<IReadOnlyDictionary<string, string?>>(new Dictionary<string, string?>())))
            .Concat(simulator?.Environment(Infrastructure.SoftHsmModule) ?? new Dictionary<string, string?>()))
        {
            environment[name] = value;
        }
        if (place?.At == KillAt.TokenCall)
        {
            simulator!.Write($"hang {place.What} after {place.Number}");
        }
        else
        {
            simulator?.Clear();
        }
        using var process = Process.Start(Command.StartInfo(Executables.Cli, arguments, environment, Path))!;
        using var limit = new CancellationTokenSource(Command.Limit);
        var watch = place?.At == KillAt.TokenCall ? KillInCallAsync(process, place, limit.Token) : Task.CompletedTask;
        var output = process.StandardOutput.ReadToEndAsync(limit.Token);
        var said = new List<string>();
        var questions = new List<string>();
        var at = "";
        while (await process.StandardError.ReadLineAsync(limit.Token) is { } line)
        {
            said.Add(line);
            if (line.StartsWith("SHARE ", StringComparison.Ordinal))
            {
                Papers[at] = line["SHARE ".Length..];
            }
            else if (place?.At == KillAt.Said && line.Contains(place.What, StringComparison.Ordinal))
            {
                process.Kill();
                break;
            }
            else if (!line.StartsWith('?'))
            {
                at = Named(line) ?? at;
            }
            else if (place?.At == KillAt.Question && place.Number == questions.Count)
            {
                process.Kill();
                break;
            }
            else
            {
                questions.Add(line);
                at = Named(line) ?? at;
                await AnswerAsync(process, Answer(line, at), place);
            }
        }
        await process.WaitForExitAsync(limit.Token);
        await watch;
        return new RehearsalResult(process.ExitCode, string.Join('\n', said), questions, await output);
    }

    private static async Task AnswerAsync(Process process, string answer, KillPlace? place)
    {
        try
        {
            await process.StandardInput.WriteLineAsync(answer);
            await process.StandardInput.FlushAsync();
        }
        catch (IOException) when (place is not null)
        {
            // It was killed since it asked.
        }
    }

    // A call is counted before it is held.
    private async Task KillInCallAsync(Process process, KillPlace place, CancellationToken cancellation)
    {
        while (!process.HasExited)
        {
            if (simulator!.Calls(place.What) > place.Number)
            {
                process.Kill();
                return;
            }
            await Task.Delay(2, cancellation);
        }
    }

    private static string? Named(string line) => Everybody.Select(each => each.FullName).FirstOrDefault(name => line.Contains(name, StringComparison.Ordinal));

    private static async Task<Rehearsal> MakeAsync()
    {
        var rehearsal = await WithTokenAsync();
        AppDomain.CurrentDomain.ProcessExit += (_, _) => rehearsal.Dispose();
        var made = await rehearsal.GenesisAsync("genesis", 2, 3);
        Assert.True(made.ExitCode == 0, made.Said);
        return rehearsal;
    }

    private string Answer(string question, string at)
    {
        var own = Answers.FindIndex(each => question.Contains(each.Question, StringComparison.Ordinal));
        if (own >= 0)
        {
            var answer = Answers[own].Answer;
            Answers.RemoveAt(own);
            return answer;
        }
        return question.Contains("Word ", StringComparison.Ordinal) ? Opening(at) ?? Papers[at]
            : question.Contains("serial number of the bag", StringComparison.Ordinal) ? "BAG-" + at.Replace(' ', '-')
            : question.Contains("Passphrase", StringComparison.Ordinal) ? "a passphrase"
            : question.Contains("try this step again", StringComparison.Ordinal) ? "stop"
            : question.Contains("Why is it stopped", StringComparison.Ordinal) ? "The step did not succeed."
            : "";
    }
}
