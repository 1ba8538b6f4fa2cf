using Grpc.Core;
using KeyService.Client.Internal;
using KeyService.Protocol.V1;

namespace KeyService.Client;

/// <summary>The calls of <c>keyservice.v1.Backups</c>. A bundle of many keys takes its time: calls that wait for one have an hour, and what they asked for goes on
/// when they end before.</summary>
public sealed class BackupCalls
{
    private static readonly TimeSpan LongWork = TimeSpan.FromHours(1);

    private readonly Backups.BackupsClient backups;
    private readonly CallRunner runner;

    internal BackupCalls(CallInvoker invoker, CallRunner runner)
    {
        backups = new Backups.BackupsClient(invoker);
        this.runner = runner;
    }

    /// <summary>Has a bundle written now, and answers when it stands, read back, at one destination at least. The same request id within 24 hours gets the same bundle.</summary>
    public async Task<Bundle> ExportAsync(BundleKind kind = BundleKind.Full, string? requestId = null, CancellationToken cancellation = default)
    {
        var request = new ExportBundleRequest { RequestId = RequestId.OrNew(requestId), Kind = kind };
        return (await runner.UnaryAsync(o => backups.ExportBundleAsync(request, o), cancellation, LongWork).ConfigureAwait(false)).Bundle;
    }

    /// <summary>A bundle of these keys with every version of theirs, for the caller alone: 1 to 1,000 names, 10,000 versions at most together.</summary>
    /// <returns>The file's bytes, some 260 for each version; signed, and not verified yet.</returns>
    public async Task<ReadOnlyMemory<byte>> ExportSelectionAsync(IEnumerable<string> keys, CancellationToken cancellation = default)
    {
        var request = new ExportSelectionRequest();
        request.Keys.AddRange(keys);
        return (await runner.UnaryAsync(o => backups.ExportSelectionAsync(request, o), cancellation, LongWork).ConfigureAwait(false)).Bundle.Memory;
    }

    /// <summary>
    /// Bundles, newest first, fetched page by page as they are read; each page also says how the destinations are, what is being written, and which key
    /// signs bundles. There is one page at least.
    /// </summary>
    public IAsyncEnumerable<ListBundlesResponse> ListPagesAsync(bool inForceOnly = false, CancellationToken cancellation = default) =>
        Pages.ReadAsync(
            runner, (token, o) => backups.ListBundlesAsync(new ListBundlesRequest { InForceOnly = inForceOnly, PageSize = Pages.Size, PageToken = token }, o),
            page => page.NextPageToken, cancellation);

    /// <summary>Has every copy in force read again, and what can be mended mended.</summary>
    public Task<VerifyCopiesResponse> VerifyCopiesAsync(CancellationToken cancellation = default) =>
        runner.UnaryAsync(o => backups.VerifyCopiesAsync(new VerifyCopiesRequest(), o), cancellation, LongWork);
}
