using KeyService.Server.Pipeline;

namespace KeyService.Server.Sessions;

/// <summary>
/// Asks once a second whether what let a person's stream in still stands: its session, or the emergency. A stream is no use of a session: it ends with it, also
/// by the session's idle time.
/// </summary>
internal sealed class StreamWatch : IAsyncDisposable
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(1);

    private readonly CancellationTokenSource _ended = new();
    private readonly Task _watching;

    /// <param name="call">The stream.</param>
    /// <param name="stands">Null while it may go on; throws when that cannot be told, which ends nothing: no answer leaves without its record then either.</param>
    public StreamWatch(Call call, Func<CancellationToken, Task<Refusal?>> stands, TimeProvider time) => _watching = WatchAsync(call, stands, time);

    public async ValueTask DisposeAsync()
    {
        await _ended.CancelAsync();
        await _watching;
        _ended.Dispose();
    }

    private async Task WatchAsync(Call call, Func<CancellationToken, Task<Refusal?>> stands, TimeProvider time)
    {
        while (true)
        {
            try
            {
                await Task.Delay(Every, time, _ended.Token);
                if (await stands(_ended.Token) is { } over)
                {
                    call.EndStream?.Invoke(over);
                    return;
                }
            }
            catch (OperationCanceledException) when (_ended.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception) when (exception is Storage.StoreUnavailableException)
            {
                // Asked again.
            }
            catch (Storage.StoreTamperedException exception)
            {
                call.EndStream?.Invoke(Refusal.StoreTampered(exception));
                return;
            }
        }
    }
}
