using System.Collections.Concurrent;
using System.Diagnostics;
using Google.Rpc;
using Grpc.Core;
using KeyService.IntegrationTests.BadDays;

namespace KeyService.IntegrationTests.Replicas;

/// <summary>
/// How long after a change was acknowledged each server still allowed what it forbids. One caller a server asks again and again, on the monotonic
/// clock, from before the change until long after the first refusal.
/// </summary>
internal sealed class Refusals
{
    private const int AfterTheFirst = 20;
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(4);

    private Refusals(IReadOnlyList<Caller> asked, long acknowledged)
    {
        Latest = [.. asked.Select(each => each.LatestAfter(acknowledged))];
        LongestCall = asked.Max(each => each.LongestCall);
        Answers = [.. asked.SelectMany(each => each.Answers)];
    }

    /// <summary>
    /// For each server, in order: when the last call was begun that it still allowed, from the acknowledgement on; zero when there was none after it. A
    /// call's own time does not count: it may have been decided on at its beginning.
    /// </summary>
    public IReadOnlyList<TimeSpan> Latest { get; }

    /// <summary>The longest that any of these calls took: how slow the machine is.</summary>
    public TimeSpan LongestCall { get; }

    /// <summary>All that was answered, refusals as well.</summary>
    public IReadOnlyCollection<Answer> Answers { get; }

    /// <param name="servers">Each is asked.</param>
    /// <param name="call">What is allowed before the change, with the headers and the trace id of the call.</param>
    /// <param name="reason">Why it is refused afterwards.</param>
    /// <param name="change">Returns when it was acknowledged.</param>
    public static async Task<Refusals> MeasureAsync(IReadOnlyList<Replica> servers, Func<Replica, Metadata, string, Task<Answer>> call, string reason, Func<Task> change)
    {
        var asked = servers.Select(server => new Caller(server, call, reason)).ToList();
        using var end = new CancellationTokenSource();
        var asking = asked.Select(caller => Task.Run(() => caller.AskAsync(end.Token), CancellationToken.None)).ToList();
        try
        {
            await Until.TrueAsync(() => asking.Exists(each => each.IsCompleted) || asked.TrueForAll(each => each.Allowed > 0), "every server to allow it");
            await change();
            var acknowledged = Stopwatch.GetTimestamp();
            await Until.TrueAsync(() => asking.Exists(each => each.IsCompleted) || asked.TrueForAll(each => each.Refused >= AfterTheFirst), "every server to refuse it");
            await end.CancelAsync();
            await Task.WhenAll(asking);
            return new Refusals(asked, acknowledged);
        }
        finally
        {
            await end.CancelAsync();
            await Task.WhenAll(asking).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private sealed class Caller(Replica server, Func<Replica, Metadata, string, Task<Answer>> call, string reason)
    {
        private readonly ConcurrentQueue<Answer> answers = new();
        private long latest;
        private int allowed;
        private int refused;

        public int Allowed => Volatile.Read(ref allowed);

        public int Refused => Volatile.Read(ref refused);

        public TimeSpan LongestCall { get; private set; }

        public IReadOnlyCollection<Answer> Answers => answers;

        public TimeSpan LatestAfter(long acknowledged) => latest > acknowledged ? Stopwatch.GetElapsedTime(acknowledged, latest) : TimeSpan.Zero;

        public async Task AskAsync(CancellationToken end)
        {
            while (!end.IsCancellationRequested)
            {
                var headers = Workload.Traced(out var trace);
                var begun = Stopwatch.GetTimestamp();
                try
                {
                    answers.Enqueue(await call(server, headers, trace));
                    latest = begun;
                    Interlocked.Increment(ref allowed);
                }
                catch (RpcException e) when (e.GetRpcStatus()?.GetDetail<ErrorInfo>()?.Reason == reason)
                {
                    answers.Enqueue(new Answer(trace, reason));
                    Interlocked.Increment(ref refused);
                }

                var took = Stopwatch.GetElapsedTime(begun);
                LongestCall = took > LongestCall ? took : LongestCall;
                await Task.Delay(Pace, CancellationToken.None);
            }
        }
    }
}
