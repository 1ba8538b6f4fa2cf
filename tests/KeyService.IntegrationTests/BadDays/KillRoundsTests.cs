using System.Diagnostics;
using System.Globalization;

namespace KeyService.IntegrationTests.BadDays;

/// <summary>
/// kill -9 at random moments under load, again and again on one store and token. Afterwards everything acknowledged is there and opens,
/// every answer is on record, the log verifies, and what was not answered can be asked again by its request id.
/// </summary>
public sealed class KillRoundsTests(ITestOutputHelper output) : IAsyncLifetime
{
    private const string Key = "bad-day";
    private const int Callers = 12;
    private const int MostAnswers = 300, LongestAfterwards = 50;
    private static readonly TimeSpan QuickRun = TimeSpan.FromSeconds(15);
    private readonly ServiceFixture service = new();

    public async ValueTask InitializeAsync()
    {
        await service.InitializeAsync();
        await service.CreateKeyAsync(Key);
    }

    public ValueTask DisposeAsync() => service.DisposeAsync();

    [Fact]
    public Task A_server_killed_under_load_loses_nothing_that_it_answered() => RunAsync(rounds: 12, QuickRun);

    [Fact]
    [Trait("Duration", "long")]
    public Task A_server_killed_hundreds_of_times_loses_nothing_that_it_answered() => RunAsync(rounds: 300, TimeSpan.MaxValue);

    /// <summary>Rounds until either bound is reached, five at least.</summary>
    private async Task RunAsync(int rounds, TimeSpan time)
    {
        var seed = Environment.GetEnvironmentVariable("KEYSERVICE_TESTS_SEED") is { Length: > 0 } given
            ? int.Parse(given, CultureInfo.InvariantCulture)
            : Environment.TickCount;
        output.WriteLine($"seed {seed} (KEYSERVICE_TESTS_SEED={seed} runs the same)");
        var random = new Random(seed);
        var workload = new Workload(service, Key, seed);
        var begun = Stopwatch.GetTimestamp();
        var done = 0;
        var all = new List<Answer>();
        long logged = 0;
        for (; done < rounds && (done < 5 || Stopwatch.GetElapsedTime(begun) < time); done++)
        {
            using var stop = new CancellationTokenSource();
            var calling = workload.RunAsync(Callers, stop.Token);
            var life = random.Next(MostAnswers);
            await Until.TrueAsync(() => workload.Answered.Count >= life, "answers");
            await Task.Delay(random.Next(LongestAfterwards));
            await service.CrashAsync();
            await stop.CancelAsync();
            await calling;

            // First what the dead server left on the disk, before anybody opens and mends it.
            var answers = workload.Take();
            var log = await AuditLogOnDisk.ReadAsync(service.StorePath, logged);
            Answers.AreLogged(answers, log);
            logged += log.Count;
            all.AddRange(answers);

            await service.StartAsync();
            await Answers.HoldAsync(service, answers);
            await workload.AskAgainAsync();
            if (done % 25 == 24)
            {
                output.WriteLine($"{done + 1} rounds, {all.Count} answers so far");
            }
        }
        all.AddRange(workload.Take());
        await Answers.HoldAsync(service, all);
        (await Executables.RunServerAsync(["doctor", "--config", service.ConfigPath], service.ServerEnvironment)).ExpectExit(0);
        output.WriteLine(
            $"{done} rounds in {Stopwatch.GetElapsedTime(begun).TotalSeconds:0} s, {all.Count} answers held: "
            + string.Join(", ", all.GroupBy(answer => answer.GetType().Name).Select(group => $"{group.Count()} {group.Key}")));
        Assert.True(all.Count > done, "Too few calls came through for the rounds to mean anything.");
    }
}
