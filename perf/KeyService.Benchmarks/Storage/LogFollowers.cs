using System.Security.Cryptography;
using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.Audit.Search;
using KeyService.Server.Audit.Sinks;
using KeyService.Server.Detection;
using KeyService.Server.Storage;
using Microsoft.Extensions.Logging.Abstractions;

namespace KeyService.Benchmarks.Storage;

/// <summary>
/// What goes along a server's log in its process: index, a copy in a directory, detection, checkpoints (signed in software). Each at full speed behind
/// the writer until it is stopped; where one left off the next goes on.
/// </summary>
internal sealed class LogFollowers : IAsyncDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);
    private static readonly ECDsa Key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private static readonly string Copies = Directory.CreateTempSubdirectory("keyservice-perf-").FullName;

    private readonly CancellationTokenSource _stop = new();
    private readonly List<TaskCompletionSource> _caughtUp = [];
    private readonly Task _following;

    private LogFollowers(IStore store, RowAuthenticator rows, IReadOnlyCollection<string> names)
    {
        Dictionary<string, Func<TaskCompletionSource, Task>> all = new()
        {
            ["index"] = caughtUp => IndexAsync(store, caughtUp), ["copy"] = caughtUp => CopyAsync(store, rows, caughtUp), ["detection"] = caughtUp => DetectAsync(store, rows, caughtUp), ["checkpoints"] = caughtUp => SignAsync(store, rows, caughtUp),
        };
        _caughtUp.AddRange(names.Select(_ => new TaskCompletionSource()));
        _following = Task.WhenAll(names.Select((name, index) => Task.Run(() => all[name](_caughtUp[index]))));
    }

    /// <summary>What follows.</summary>
    public static IReadOnlyList<string> Names { get; } = ["index", "copy", "detection", "checkpoints"];

    /// <summary>Once nothing is left of what was written before.</summary>
    /// <param name="names">Which of <see cref="Names"/>.</param>
    public static async Task<LogFollowers> StartAsync(IStore store, RowAuthenticator rows, IReadOnlyCollection<string> names)
    {
        var followers = new LogFollowers(store, rows, names);
        await Task.WhenAll(followers._caughtUp.Select(each => each.Task));
        return followers;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _following;
        _stop.Dispose();
    }

    private async Task IndexAsync(IStore store, TaskCompletionSource caughtUp)
    {
        using var indexer = new AuditIndexer(new AuditLog(store), store, TimeProvider.System, NullLogger<AuditIndexer>.Instance);
        await LoopAsync(caughtUp, async () =>
        {
            await indexer.CatchUpAsync(_stop.Token);
            return false;
        });
    }

    private async Task CopyAsync(IStore store, RowAuthenticator rows, TaskCompletionSource caughtUp)
    {
        var configuration = new DirectorySinkConfiguration("copies", Copies, 64, TimeSpan.FromMinutes(1));
        await using var sink = new DirectorySink(configuration);
        var follower = new SinkFollower(
            configuration, sink, store, rows, new AlarmOutlet(NullLogger<AlarmOutlet>.Instance), TimeSpan.FromHours(1), TimeProvider.System, NullLogger.Instance);
        await LoopAsync(caughtUp, () => follower.StepAsync(_stop.Token));
        await follower.FinishAsync(CancellationToken.None);
        foreach (var file in Directory.EnumerateFiles(Copies))
        {
            File.Delete(file);
        }
    }

    private async Task DetectAsync(IStore store, RowAuthenticator rows, TaskCompletionSource caughtUp)
    {
        var follower = new DetectionFollower(
            new DetectionConfiguration { Calendar = SiteCalendar.Utc }, store, rows, new FindingTable(rows), TimeProvider.System);
        await LoopAsync(caughtUp, () => follower.StepAsync(_stop.Token));
        await follower.FinishAsync();
    }

    private async Task SignAsync(IStore store, RowAuthenticator rows, TaskCompletionSource caughtUp)
    {
        using var checkpoints = new Checkpoints(
            new AuditLog(store), store, rows,
            new CheckpointKeys(_ => new CheckpointSigner(
                _ => ValueTask.FromResult(Key.ExportSubjectPublicKeyInfo()),
                (digest, _) => ValueTask.FromResult(Key.SignHash(digest.ToArray(), DSASignatureFormat.IeeeP1363FixedFieldConcatenation)))));
        await LoopAsync(caughtUp, async () =>
        {
            await checkpoints.MakeAsync(sealing: false, _stop.Token);
            return false;
        });
    }

    private async Task LoopAsync(TaskCompletionSource caughtUp, Func<Task<bool>> step)
    {
        try
        {
            while (!_stop.IsCancellationRequested)
            {
                if (!await step())
                {
                    caughtUp.TrySetResult();
                    await Task.Delay(Pause, _stop.Token);
                }
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // The round is over.
        }
        finally
        {
            caughtUp.TrySetResult();
        }
    }
}
