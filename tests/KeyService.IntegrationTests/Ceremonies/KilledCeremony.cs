using System.Globalization;
using KeyService.Crypto.Ceremonies;

namespace KeyService.IntegrationTests.Ceremonies;

/// <summary>
/// A ceremony of one kind that is killed somewhere and taken up again: it is completed with a transcript that verifies, or void, recorded and signed, and
/// nothing half-made is left.
/// </summary>
internal sealed class KilledCeremony : IDisposable
{
    private const string Held = "held";

    /// <summary>As everything is before it: each kill begins with a copy.</summary>
    public required Rehearsal Before { get; init; }

    /// <summary>Kind and options; directory, people who drive, see and sign, are added.</summary>
    public required Func<Rehearsal, string[]> Arguments { get; init; }

    public (string Question, string Answer)[] Answers { get; init; } = [];

    /// <summary>First and last step between which secrets are in memory only.</summary>
    public (int First, int Last) InMemory { get; init; }

    /// <summary>Whether the HSM signs at the end.</summary>
    public bool HsmSigns { get; init; }

    /// <summary>What must stand when it is completed.</summary>
    public required Func<Rehearsal, Transcript, Task> WhenCompleted { get; init; }

    /// <summary>What must stand when it is void.</summary>
    public Func<Rehearsal, Transcript, Task> WhenVoid { get; init; } = (_, _) => throw new InvalidOperationException("It is never void.");

    /// <summary>Kills it there, twice, and takes it up again.</summary>
    /// <returns>False where it had ended before.</returns>
    public async Task<bool> KillAsync(KillPlace place)
    {
        using var day = Before.Copy();
        if (place.At == KillAt.TokenCall)
        {
            await day.SimulateAsync();
        }
        var begin = Arguments(day);
        string[] begun =
        [
            "ceremony", begin[0], "--rehearsal", "--directory", day.File(Held), "--administrator", "alice=Alice Adams", "--witness", "bob=Bob Baker",
            "--signing-key", $"alice={day.File("alice.key")}", "--signing-key", $"bob={day.File("bob.key")}", .. begin[1..],
        ];
        var killed = await RunAsync(day, place, begun);
        if (killed.ExitCode != 137)
        {
            Assert.True(killed.ExitCode == 0, $"killed nowhere: {killed.Said}");
            await CheckAsync(day, "completed");
            return false;
        }
        CutLastLine(day);
        // And again, soon after it was taken up: at its first question, or at one of its first entries.
        var again = place.Number % 2 == 0 ? new KillPlace(KillAt.Question, 0) : new KillPlace(KillAt.Write, place.Number % 5);
        var second = await RunAsync(day, again, "ceremony", "resume", day.File(Held));
        if (second.ExitCode == 137)
        {
            CutLastLine(day);
        }
        var expected = Expected(day);
        var resumed = await RunAsync(day, null, "ceremony", "resume", day.File(Held));
        if (resumed.Said.Contains("holds no ceremony", StringComparison.Ordinal))
        {
            resumed = await RunAsync(day, null, begun);
        }
        try
        {
            Assert.Equal(expected == "completed" ? 0 : 1, resumed.ExitCode);
            await CheckAsync(day, expected);
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"{begin[0]} killed at {place}, then {again} ({second.ExitCode}): {e.Message}\n--- killed\n{killed.Said}\n--- second\n{second.Said}\n--- resumed\n{resumed.Said}", e);
        }
        return true;
    }

    /// <summary>Kills it at every place of a sort, some at once.</summary>
    /// <returns>How many there were.</returns>
    public async Task<int> KillEverywhereAsync(KillAt at, string what = "")
    {
        var (next, ended) = (-1, int.MaxValue);
        await Parallel.ForAsync(0, Environment.ProcessorCount, async (_, _) =>
        {
            for (var number = Interlocked.Increment(ref next); number < ended; number = Interlocked.Increment(ref next))
            {
                if (!await KillAsync(new KillPlace(at, number, what)))
                {
                    ended = Math.Min(ended, number);
                }
            }
        });
        return ended;
    }

    public void Dispose() => Before.Dispose();

    private Task<RehearsalResult> RunAsync(Rehearsal day, KillPlace? place, params string[] arguments)
    {
        day.Answers.Clear();
        day.Answers.AddRange(Answers);
        return day.RunAsync(place, arguments);
    }

    // As a power cut leaves it.
    private static void CutLastLine(Rehearsal day)
    {
        if (File.Exists(day.File($"{Held}/transcript.kst")) && !day.Transcript(Held).HasEnded)
        {
            File.AppendAllText(day.File($"{Held}/transcript.kst"), "0123456789abcdef");
        }
    }

    // What is to come of what is on the disk.
    private string Expected(Rehearsal day)
    {
        if (!File.Exists(day.File($"{Held}/transcript.kst")))
        {
            return "completed";
        }
        var text = File.ReadAllText(day.File($"{Held}/transcript.kst"));
        Assert.True(Transcript.TryParse(System.Text.Encoding.UTF8.GetBytes(text[..(text.LastIndexOf('\n') + 1)]), out var transcript));
        if (transcript!.HasEnded)
        {
            return transcript.Entries[^1].Subject;
        }
        var last = InMemory.Last.ToString(CultureInfo.InvariantCulture);
        var begun = transcript.Entries.Any(each => each.Type == TranscriptEntryType.Begin
            && int.Parse(each.Subject.Split('/')[0], CultureInfo.InvariantCulture) is var step && step >= InMemory.First && step <= InMemory.Last);
        return begun && !transcript.Entries.Any(each => each.Type == TranscriptEntryType.Done && each.Subject == last) ? "void" : "completed";
    }

    private async Task CheckAsync(Rehearsal day, string ending)
    {
        var transcript = day.Transcript(Held);
        var verdict = TranscriptVerdict.Of(transcript);
        Assert.Equal(ending, verdict.Ending);
        Assert.Empty(verdict.Findings);
        if (HsmSigns && ending == "completed")
        {
            Assert.Contains(transcript.Signatures, each => each.IsHsm);
        }
        Assert.DoesNotContain(Directory.GetFiles(day.Path, "*", SearchOption.AllDirectories), file => file.EndsWith(".tmp", StringComparison.Ordinal) || file.EndsWith(".partial", StringComparison.Ordinal));
        Assert.Equal(["plan.json", "transcript.kst"], Directory.GetFiles(day.File(Held)).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        await (ending == "completed" ? WhenCompleted : WhenVoid)(day, transcript);
    }
}
