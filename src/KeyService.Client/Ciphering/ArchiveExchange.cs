using System.Buffers;
using System.Runtime.ExceptionServices;
using Google.Protobuf;
using Grpc.Core;
using KeyService.Protocol.Bulk;
using KeyService.Protocol.V1;

namespace KeyService.Client.Internal;

/// <summary>One duplex archive stream: sends pieces of the source, writes what comes back, ends with the summary or throws.</summary>
internal sealed class ArchiveExchange<TStart>(CallInvoker invoker, string endpoint, Method<StreamRequest<TStart>, StreamResponse> method)
    where TStart : class, IMessage<TStart>, new()
{
    private Exception? sourceFault;

    public async Task<RemoteArchiveSummary> RunAsync(
        TStart start, Stream source, Stream destination, IProgress<long>? progress, CancellationToken cancellation)
    {
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using var call = invoker.AsyncDuplexStreamingCall(method, null, new CallOptions(cancellationToken: linked.Token));
        var send = SendAsync(call.RequestStream, start, source, progress, linked);
        try
        {
            var summary = await ReceiveAsync(call.ResponseStream, destination, linked.Token).ConfigureAwait(false);
            return new RemoteArchiveSummary((long)summary.PlaintextBytes, (long)summary.ArchiveBytes, summary.Key, summary.KeyVersion);
        }
        catch (Exception) when (sourceFault is not null)
        {
            ExceptionDispatchInfo.Throw(sourceFault);
            throw;
        }
        catch (RpcException e)
        {
            throw FaultDecoder.Decode(e, endpoint, cancellation);
        }
        finally
        {
            // The sender may sit in a read of a pipe that nothing interrupts: it is told to stop, not waited for.
            await linked.CancelAsync().ConfigureAwait(false);
            _ = send.ContinueWith(static done => done.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
        }
    }

    private async Task SendAsync(
        IClientStreamWriter<StreamRequest<TStart>> requests, TStart start, Stream source, IProgress<long>? progress, CancellationTokenSource linked)
    {
        var cancellation = linked.Token;
        var buffer = ArrayPool<byte>.Shared.Rent(BulkLimits.MaxPieceLength);
        var piece = buffer.AsMemory(0, BulkLimits.MaxPieceLength);
        try
        {
            await requests.WriteAsync(StreamRequest<TStart>.OfStart(start), cancellation).ConfigureAwait(false);
            long sent = 0;
            while (await ReadAsync(source, piece, linked).ConfigureAwait(false) is var length and not 0)
            {
                using var message = StreamRequest<TStart>.OfData(piece[..length]);
                await requests.WriteAsync(message, cancellation).ConfigureAwait(false);
                progress?.Report(sent += length);
            }
            await requests.WriteAsync(StreamRequest<TStart>.OfFinish(), cancellation).ConfigureAwait(false);
            await requests.CompleteAsync().ConfigureAwait(false);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer, clearArray: true);
        }
    }

    // A source that fails (a producer that died, a bad disk) ends the call before anything can be sealed.
    private async ValueTask<int> ReadAsync(Stream source, Memory<byte> piece, CancellationTokenSource linked)
    {
        try
        {
            return await source.ReadAtLeastAsync(piece, piece.Length, throwOnEndOfStream: false, linked.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            sourceFault = e;
            await linked.CancelAsync().ConfigureAwait(false);
            throw;
        }
    }

    private static async Task<StreamSummary> ReceiveAsync(
        IAsyncStreamReader<StreamResponse> answers, Stream destination, CancellationToken cancellation)
    {
        StreamSummary? summary = null;
        while (await answers.MoveNext(cancellation).ConfigureAwait(false))
        {
            using var answer = answers.Current;
            switch (answer.Kind)
            {
                case StreamMessageKind.Data when summary is null:
                    await destination.WriteAsync(answer.Data, cancellation).ConfigureAwait(false);
                    break;
                case StreamMessageKind.Summary when summary is null:
                    summary = answer.Summary;
                    break;
                default:
                    throw Unexpected("holds what does not belong there");
            }
        }
        return summary ?? throw Unexpected("ended without its summary");
    }

    private static KeyServiceException Unexpected(string what) => new(ClientReason.Protocol, $"The service's stream {what}.",
        "Throw away what was written and send the whole again.");
}
