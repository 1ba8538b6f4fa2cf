using Grpc.Core;

namespace KeyService.Client.Internal;

/// <summary>
/// Runs unary calls: a deadline over all tries, and another try when the service is unavailable. Every unary call of
/// keyservice/v1 may be sent again: reads and cipher calls have no effect, and a mutation keeps its request id.
/// </summary>
internal sealed class CallRunner(ClientOptions options)
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100);

    public string Endpoint => options.Endpoint;

    /// <param name="start">Starts the call.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <param name="timeout">For a call that waits for long work; null: that of the options.</param>
    public Task<TResponse> UnaryAsync<TResponse>(
        Func<CallOptions, AsyncUnaryCall<TResponse>> start, CancellationToken cancellation, TimeSpan? timeout = null) =>
        UnaryAsync(start, async call => await call.ResponseAsync.ConfigureAwait(false), cancellation, timeout);

    /// <summary>As above, for a caller that wants more of the call than its answer.</summary>
    public async Task<TResult> UnaryAsync<TResponse, TResult>(
        Func<CallOptions, AsyncUnaryCall<TResponse>> start, Func<AsyncUnaryCall<TResponse>, Task<TResult>> read, CancellationToken cancellation,
        TimeSpan? timeout = null)
    {
        var deadline = options.TimeProvider.GetUtcNow().UtcDateTime + (timeout ?? options.CallTimeout);
        var pause = FirstPause;
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                using var call = start(new CallOptions(deadline: deadline, cancellationToken: cancellation));
                return await read(call).ConfigureAwait(false);
            }
            catch (RpcException e) when (MayTryAgain(e, attempt, cancellation))
            {
                await Task.Delay(pause, options.TimeProvider, cancellation).ConfigureAwait(false);
                pause *= 3;
            }
            catch (RpcException e)
            {
                throw FaultDecoder.Decode(e, options.Endpoint, cancellation);
            }
        }
    }

    // A handshake that failed will fail again. A connection that was closed early may have been the end of a server that is
    // starting again; it may also be the refusal of our certificate, which under TLS 1.3 looks the same: then the tries are wasted.
    private bool MayTryAgain(RpcException e, int attempt, CancellationToken cancellation)
    {
        if (attempt >= options.Attempts || cancellation.IsCancellationRequested)
        {
            return false;
        }
        var transport = FaultDecoder.Transport(e);
        return transport is TransportFault.ConnectionClosedEarly || (e.StatusCode == StatusCode.Unavailable && transport is not TransportFault.Handshake);
    }
}
