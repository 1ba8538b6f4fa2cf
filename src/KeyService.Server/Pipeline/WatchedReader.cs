using Grpc.Core;

namespace KeyService.Server.Pipeline;

/// <summary>A request stream under the idle time-out.</summary>
internal sealed class WatchedReader<T>(IAsyncStreamReader<T> inner, IdleWatch idle) : IAsyncStreamReader<T>
{
    public T Current => inner.Current;

    public async Task<bool> MoveNext(CancellationToken cancellationToken)
    {
        idle.BeginRead();
        try
        {
            // The stream's own token stands in: an idle end must reach a reader that passes none.
            return await inner.MoveNext(cancellationToken.CanBeCanceled ? cancellationToken : idle.Token);
        }
        catch (Exception broken) when (IsBrokenFrame(broken))
        {
            // A frame that ends too early or says a length that cannot be, or bytes that are no gzip: the caller's doing, as it is in a unary call
            // (TransportRefusal). The library has no better status for it.
            throw Refusal.InvalidArgument("request", "is not one whole, well-formed message of this method");
        }
        finally
        {
            idle.EndRead();
        }
    }

    // A length of 2 GiB and more is an IOException, like a reset by the client, and told from it by its words only.
    private static bool IsBrokenFrame(Exception exception) => exception is InvalidDataException or RpcException { StatusCode: StatusCode.Internal }
        || exception is IOException && exception.Message.StartsWith("Message too large", StringComparison.Ordinal);
}
