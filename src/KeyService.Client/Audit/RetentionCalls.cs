using Google.Protobuf;
using Grpc.Core;
using KeyService.Client.Internal;
using KeyService.Protocol.V1;

namespace KeyService.Client;

/// <summary>The calls of <c>keyservice.v1.Retention</c>.</summary>
public sealed class RetentionCalls
{
    private readonly Retention.RetentionClient retention;
    private readonly CallRunner runner;

    internal RetentionCalls(CallInvoker invoker, CallRunner runner)
    {
        retention = new Retention.RetentionClient(invoker);
        this.runner = runner;
    }

    /// <summary>Every archive, oldest first, and the first month that is over and stands in none (empty when there is none).</summary>
    public Task<ListArchivesResponse> ListAsync(CancellationToken cancellation = default) =>
        runner.UnaryAsync(o => retention.ListArchivesAsync(new ListArchivesRequest(), o), cancellation);

    /// <summary>Says that a month of the log stands in a file.</summary>
    /// <param name="month">UTC, "2026-10"; months are registered in their order.</param>
    /// <param name="directorySize">Entries of the directory log in the export.</param>
    /// <param name="location">Where the file lies: 1 to 500 characters on one line.</param>
    /// <param name="fileLength">Bytes.</param>
    /// <param name="fileSha256">32 bytes.</param>
    /// <param name="requestId">A UUID; the same again only for the same request.</param>
    /// <param name="cancellation">Ends waiting for the answer.</param>
    public async Task<Archive> RegisterAsync(
        string month, long directorySize, string location, long fileLength, ReadOnlyMemory<byte> fileSha256, string? requestId = null,
        CancellationToken cancellation = default)
    {
        var request = new RegisterArchiveRequest
        {
            RequestId = RequestId.OrNew(requestId), Month = month, DirectorySize = directorySize, Location = location, FileLength = fileLength,
            FileSha256 = ByteString.CopyFrom(fileSha256.Span),
        };
        return (await runner.UnaryAsync(o => retention.RegisterArchiveAsync(request, o), cancellation).ConfigureAwait(false)).Archive;
    }

    /// <summary>Deletes the records of a month and of those before it, after the years of retention.</summary>
    /// <param name="month">UTC, "2020-10".</param>
    /// <param name="reason">1 to 256 characters on one line.</param>
    /// <param name="requestId">A UUID; the same again only for the same request.</param>
    /// <param name="cancellation">Ends waiting for the answer.</param>
    /// <returns>The archives whose records are gone.</returns>
    public async Task<IReadOnlyList<Archive>> DeleteAsync(string month, string reason, string? requestId = null, CancellationToken cancellation = default)
    {
        var request = new DeleteRecordsRequest { RequestId = RequestId.OrNew(requestId), Month = month, Reason = reason };
        return (await runner.UnaryAsync(o => retention.DeleteRecordsAsync(request, o), cancellation).ConfigureAwait(false)).Archives;
    }
}
