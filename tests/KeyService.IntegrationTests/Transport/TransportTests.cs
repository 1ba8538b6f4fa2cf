using Grpc.Core;

namespace KeyService.IntegrationTests.Transport;

public sealed class TransportTests(EchoServer server) : IClassFixture<EchoServer>
{
    private const int MiB = 1024 * 1024;

    private CallInvoker Invoker => server.Channel.CreateCallInvoker();

    [Fact]
    public async Task A_unary_call_brings_back_what_was_sent()
    {
        var message = Random.Shared.GetItems(Enumerable.Range(0, 256).Select(value => (byte)value).ToArray(), 100_000);
        Assert.Equal(message, await UnaryAsync(message));
    }

    [Fact]
    public async Task A_client_stream_is_collected_in_order()
    {
        using var call = Invoker.AsyncClientStreamingCall(EchoService.CollectMethod, null, default);
        for (byte number = 0; number < 100; number++)
            await call.RequestStream.WriteAsync([number]);
        await call.RequestStream.CompleteAsync();
        Assert.Equal(Enumerable.Range(0, 100).Select(number => (byte)number), await call);
    }

    [Fact]
    public async Task A_server_stream_arrives_in_order()
    {
        using var call = Invoker.AsyncServerStreamingCall(EchoService.CountMethod, null, default, [50]);
        var seen = new List<byte>();
        await foreach (var answer in call.ResponseStream.ReadAllAsync())
            seen.AddRange(answer);
        Assert.Equal(Enumerable.Range(0, 50).Select(number => (byte)number), seen);
    }

    [Fact]
    public async Task A_duplex_stream_of_64_MiB_comes_back_whole()
    {
        using var call = Invoker.AsyncDuplexStreamingCall(EchoService.DuplexMethod, null, default);
        var message = new byte[MiB];
        Random.Shared.NextBytes(message);
        var reading = Task.Run(async () =>
        {
            var count = 0;
            await foreach (var answer in call.ResponseStream.ReadAllAsync())
            {
                Assert.True(answer.AsSpan().SequenceEqual(message));
                count++;
            }
            return count;
        });
        for (var round = 0; round < 64; round++)
            await call.RequestStream.WriteAsync(message);
        await call.RequestStream.CompleteAsync();
        Assert.Equal(64, await reading);
    }

    [Fact]
    public async Task A_message_of_4_MiB_passes_and_one_byte_more_is_refused()
    {
        Assert.Equal(4 * MiB, (await UnaryAsync(new byte[4 * MiB])).Length);
        var refusal = await Assert.ThrowsAsync<RpcException>(() => UnaryAsync(new byte[4 * MiB + 1]));
        Assert.Equal(StatusCode.ResourceExhausted, refusal.StatusCode);
    }

    [Fact]
    public async Task A_deadline_ends_the_call_at_the_server_too()
    {
        var refusal = await Assert.ThrowsAsync<RpcException>(() =>
            UnaryAsync([], new CallOptions(deadline: DateTime.UtcNow.AddMilliseconds(200))));
        Assert.Equal(StatusCode.DeadlineExceeded, refusal.StatusCode);
    }

    [Fact]
    public async Task A_cancelled_call_ends_and_the_next_is_answered()
    {
        using var source = new CancellationTokenSource();
        var waiting = UnaryAsync([], new CallOptions(cancellationToken: source.Token));
        await source.CancelAsync();
        var refusal = await Assert.ThrowsAsync<RpcException>(() => waiting);
        Assert.Equal(StatusCode.Cancelled, refusal.StatusCode);
        Assert.Equal([1], await UnaryAsync([1]));
    }

    [Fact]
    public async Task A_gzip_request_is_read_and_its_answer_is_not_compressed()
    {
        var headers = new Metadata { { "grpc-internal-encoding-request", "gzip" } };
        var message = new byte[100_000];
        using var call = Invoker.AsyncUnaryCall(EchoService.UnaryMethod, null, new CallOptions(headers), message);
        Assert.Equal(message, await call);
        Assert.Null((await call.ResponseHeadersAsync).GetValue("grpc-encoding"));
    }

    [Fact]
    public async Task An_unknown_method_is_unimplemented()
    {
        var unknown = new Method<byte[], byte[]>(MethodType.Unary, EchoService.Name, "Nothing", EchoService.UnaryMethod.RequestMarshaller,
            EchoService.UnaryMethod.ResponseMarshaller);
        using var call = Invoker.AsyncUnaryCall(unknown, null, default, [1]);
        var refusal = await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync);
        Assert.Equal(StatusCode.Unimplemented, refusal.StatusCode);
    }

    [Fact]
    public async Task An_answer_without_trailers_is_no_answer()
    {
        var method = new Method<byte[], byte[]>(MethodType.Unary, EchoService.Name, "NoTrailers",
            EchoService.UnaryMethod.RequestMarshaller, EchoService.UnaryMethod.ResponseMarshaller);
        using var call = Invoker.AsyncUnaryCall(method, null, default, [1]);
        var refusal = await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync);
        Assert.NotEqual(StatusCode.OK, refusal.StatusCode);
    }

    [Fact]
    public async Task A_hundred_calls_at_once_are_all_answered_right()
    {
        var calls = Enumerable.Range(0, 100).Select(async number =>
        {
            var message = new byte[1 + number * 1000];
            Array.Fill(message, (byte)number);
            Assert.Equal(message, await UnaryAsync(message));
        });
        await Task.WhenAll(calls);
    }

    private async Task<byte[]> UnaryAsync(byte[] message, CallOptions options = default)
    {
        using var call = Invoker.AsyncUnaryCall(EchoService.UnaryMethod, null, options, message);
        return await call;
    }
}
