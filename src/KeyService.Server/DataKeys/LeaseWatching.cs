using Grpc.Core;
using KeyService.Protocol.V1;
using KeyService.Server.Pipeline;

namespace KeyService.Server.DataKeys;

/// <summary>Answers a watch of leases: whenever a standing changes, and at each heartbeat.</summary>
/// <remarks>
/// Looks four times a second instead of waiting for signals: what changes a standing are grants, principals, rotations, states, and time itself
/// (a grant that expires), and a look at all of them is a dictionary and a few comparisons.
/// </remarks>
internal sealed class LeaseWatching(LeaseJudge judge, TimeProvider time)
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan DefaultHeartbeat = TimeSpan.FromSeconds(10);
    private const int ShortestHeartbeat = 200;
    private const int LongestHeartbeat = 30_000;

    /// <summary>Runs until the call is cancelled.</summary>
    public async Task RunAsync(
        IReadOnlyList<HeldLease> leases, TimeSpan heartbeat, IServerStreamWriter<WatchLeasesResponse> responses, Call call)
    {
        WatchLeasesResponse? said = null;
        var saidAt = 0L;
        while (true)
        {
            var now = time.GetTimestamp();
            var answer = new WatchLeasesResponse { ElapsedMilliseconds = (long)time.GetElapsedTime(call.Started, now).TotalMilliseconds };
            foreach (var lease in leases)
            {
                answer.Standings.Add(await judge.JudgeAsync(call.Principal, lease, call.CancellationToken));
            }

            var due = said is null || !said.Standings.Equals(answer.Standings) || time.GetElapsedTime(saidAt, now) >= heartbeat;
            if (due)
            {
                await responses.WriteAsync(answer, call.CancellationToken);
                (said, saidAt) = (answer, now);
            }

            await Task.Delay(heartbeat < Look ? heartbeat : Look, time, call.CancellationToken);
        }
    }

    /// <exception cref="Refusal">INVALID_ARGUMENT.</exception>
    public static TimeSpan RequireHeartbeat(int milliseconds) => milliseconds switch
    {
        0 => DefaultHeartbeat,
        >= ShortestHeartbeat and <= LongestHeartbeat => TimeSpan.FromMilliseconds(milliseconds),
        _ => throw Refusal.InvalidArgument("heartbeat_milliseconds", "must be 200 to 30,000, or 0 for 10,000"),
    };
}
