using System.Runtime.CompilerServices;
using Grpc.Core;

namespace KeyService.Client.Internal;

/// <summary>Lists that the service answers page by page: the next page is asked for when the one before was read to its end.</summary>
internal static class Pages
{
    /// <summary>Items asked for at once.</summary>
    public const int Size = 500;

    /// <summary>The pages, one at least.</summary>
    /// <param name="runner">Runs the calls.</param>
    /// <param name="start">Starts the call for the page of a token; the first one's is empty.</param>
    /// <param name="next">Token of the page after this one; empty at the last.</param>
    /// <param name="cancellation">Ends it.</param>
    public static async IAsyncEnumerable<TPage> ReadAsync<TPage>(
        CallRunner runner, Func<string, CallOptions, AsyncUnaryCall<TPage>> start, Func<TPage, string> next,
        [EnumeratorCancellation] CancellationToken cancellation)
    {
        var token = "";
        do
        {
            var page = await runner.UnaryAsync(o => start(token, o), cancellation).ConfigureAwait(false);
            yield return page;
            token = next(page);
        }
        while (token.Length > 0);
    }

    /// <summary>What stands on the pages of <see cref="ReadAsync"/>.</summary>
    public static async IAsyncEnumerable<TItem> ItemsAsync<TPage, TItem>(
        CallRunner runner, Func<string, CallOptions, AsyncUnaryCall<TPage>> start, Func<TPage, IEnumerable<TItem>> items, Func<TPage, string> next,
        [EnumeratorCancellation] CancellationToken cancellation)
    {
        await foreach (var page in ReadAsync(runner, start, next, cancellation).ConfigureAwait(false))
        {
            foreach (var item in items(page))
            {
                yield return item;
            }
        }
    }
}
