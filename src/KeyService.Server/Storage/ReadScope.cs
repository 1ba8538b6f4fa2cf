namespace KeyService.Server.Storage;

/// <summary>
/// One read of the store, for the memory of revisions: what it verified is remembered when it has ended. A read whose snapshot is older than
/// another's that was remembered meanwhile would take a row for one that was put back; so it is made again, once, over a new snapshot.
/// Changes read outside of it: what they see may be undone.
/// </summary>
internal static class ReadScope
{
    private static readonly AsyncLocal<List<Action>?> Verified = new();

    /// <summary>For stores: around each read.</summary>
    public static async Task<T> RunAsync<T>(Func<Task<T>> read)
    {
        try
        {
            return await RunOnceAsync(read);
        }
        catch (RowOlderException)
        {
            return await RunOnceAsync(read);
        }
    }

    /// <summary>Runs <paramref name="note"/> when the read that is under way has ended; never outside of one.</summary>
    public static void WhenRead(Action note) => Verified.Value?.Add(note);

    private static async Task<T> RunOnceAsync<T>(Func<Task<T>> read)
    {
        var verified = new List<Action>();
        Verified.Value = verified;
        try
        {
            var answer = await read();
            verified.ForEach(note => note());
            return answer;
        }
        finally
        {
            Verified.Value = null;
        }
    }
}
