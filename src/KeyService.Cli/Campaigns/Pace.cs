namespace KeyService.Cli.Campaigns;

/// <summary>Holds work to a number of items a second, so that an application beside it does not notice.</summary>
/// <param name="itemsPerSecond">0 is no limit.</param>
/// <param name="time">The clock.</param>
internal sealed class Pace(int itemsPerSecond, TimeProvider time)
{
    private readonly long begun = time.GetTimestamp();

    /// <summary>Waits until so many items may have been done since the beginning.</summary>
    public async Task KeepAsync(long itemsDone, CancellationToken cancellation)
    {
        if (itemsPerSecond > 0)
        {
            var wait = TimeSpan.FromSeconds((double)itemsDone / itemsPerSecond) - time.GetElapsedTime(begun);
            if (wait > TimeSpan.Zero)
            {
                await Task.Delay(wait, time, cancellation).ConfigureAwait(false);
            }
        }
    }
}
