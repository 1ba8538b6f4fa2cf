namespace KeyService.Server.Storage;

/// <summary>Work that one server of an installation does at a time, for as long as it runs.</summary>
internal static class RoleHolder
{
    /// <summary>Takes the role, works until it is lost, and tries again: until the server ends.</summary>
    /// <param name="retry">Between tries, whoever has the role.</param>
    /// <param name="work">Runs off the caller's thread; its token ends with the role or the server.</param>
    /// <param name="failed">Told of what ended the work but the server's end.</param>
    public static async Task RunAsync(
        IStore store, string role, TimeSpan retry, TimeProvider time, Func<CancellationToken, Task> work, Action<Exception> failed, CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await using var taken = await store.TryTakeRoleAsync(role, stoppingToken);
                if (taken is not null)
                {
                    using var held = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken, taken.Lost);
                    await Task.Run(() => work(held.Token), CancellationToken.None);
                }
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                failed(e);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            await Task.Delay(retry, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
