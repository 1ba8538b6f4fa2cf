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
        finally
        {
            idle.EndRead();
        }
    }
}
