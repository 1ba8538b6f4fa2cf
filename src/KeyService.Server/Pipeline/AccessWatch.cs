using KeyService.Server.Access;

namespace KeyService.Server.Pipeline;

/// <summary>
/// Asks a stream's question again whenever access changes, here or on another server, and when the grant that allowed it expires: who is disabled or
/// loses the grant goes no further, whatever the stream is in the middle of.
/// </summary>
internal sealed class AccessWatch : IAsyncDisposable
{
    // Longer than a timer takes; then it looks again.
    private static readonly TimeSpan Longest = TimeSpan.FromDays(1);
    private static readonly TimeSpan BeforeTheQuestion = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(1);

    private readonly CancellationTokenSource _ended = new();
    private readonly Task _watching;

    public AccessWatch(AccessRegister access, Call call, IdleWatch stream, TimeProvider time)
    {
        // What every principal may is watched by its own means: a watch of leases tells its client so, and a client cut off would keep them to their end.
        _watching = call.Rpc.Permission == Permission.None ? Task.CompletedTask : WatchAsync(access, call, stream, time);
    }

    public async ValueTask DisposeAsync()
    {
        await _ended.CancelAsync();
        await _watching;
        _ended.Dispose();
    }

    private async Task WatchAsync(AccessRegister access, Call call, IdleWatch stream, TimeProvider time)
    {
        while (!_ended.IsCancellationRequested)
        {
            // Taken before the question: a change in between is not missed.
            var changed = access.WaitForChangeAsync();
            var asked = call.HasAsked;
            var standing = call.AskAgain();
            // A quota that is used up ends the stream where it is counted.
            if (!standing.IsAllowed && standing.SpentQuota is null)
            {
                stream.End(Refusal.AccessDenied());
                return;
            }

            // The grant may have expired since the question, and timers know whole milliseconds: never less than one of them.
            // Before the call has asked its question nobody knows which grant it stands on.
            var left = asked ? standing.Grant?.ExpireTime - time.GetUtcNow() ?? Longest : BeforeTheQuestion;
            left = left < Shortest ? Shortest : left < Longest ? left : Longest;
            try
            {
                await changed.WaitAsync(left, time, _ended.Token);
            }
            catch (TimeoutException)
            {
                // Asks again.
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }
}
