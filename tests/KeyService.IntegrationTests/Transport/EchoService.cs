using System.Buffers;
using Grpc.Core;

namespace KeyService.IntegrationTests.Transport;

/// <summary>A gRPC service of plain bytes, bound by hand: the transport alone, without generated code.</summary>
[BindServiceMethod(typeof(EchoService), nameof(Bind))]
public class EchoService
{
    private static readonly Marshaller<byte[]> Bytes = Marshallers.Create(
        (message, context) =>
        {
            context.SetPayloadLength(message.Length);
            context.GetBufferWriter().Write(message);
            context.Complete();
        },
        context => context.PayloadAsNewBuffer());

    public const string Name = "transport.test.Echo";

    public static readonly Method<byte[], byte[]> UnaryMethod = new(MethodType.Unary, Name, nameof(Unary), Bytes, Bytes);
    public static readonly Method<byte[], byte[]> CollectMethod = new(MethodType.ClientStreaming, Name, nameof(Collect), Bytes, Bytes);
    public static readonly Method<byte[], byte[]> CountMethod = new(MethodType.ServerStreaming, Name, nameof(Count), Bytes, Bytes);
    public static readonly Method<byte[], byte[]> DuplexMethod = new(MethodType.DuplexStreaming, Name, nameof(Duplex), Bytes, Bytes);

    public static void Bind(ServiceBinderBase binder, EchoService service)
    {
        binder.AddMethod(UnaryMethod, service is null ? null : service.Unary);
        binder.AddMethod(CollectMethod, service is null ? null : service.Collect);
        binder.AddMethod(CountMethod, service is null ? null : service.Count);
        binder.AddMethod(DuplexMethod, service is null ? null : service.Duplex);
    }

    public virtual async Task<byte[]> Unary(byte[] request, ServerCallContext context)
    {
        // An empty request asks to wait for the caller's deadline or cancel.
        if (request.Length == 0)
            await Task.Delay(Timeout.Infinite, context.CancellationToken);
        return request;
    }

    public virtual async Task<byte[]> Collect(IAsyncStreamReader<byte[]> requests, ServerCallContext context)
    {
        var all = new MemoryStream();
        await foreach (var request in requests.ReadAllAsync(context.CancellationToken))
            all.Write(request);
        return all.ToArray();
    }

    public virtual async Task Count(byte[] request, IServerStreamWriter<byte[]> responses, ServerCallContext context)
    {
        for (byte number = 0; number < request[0]; number++)
            await responses.WriteAsync([number], context.CancellationToken);
    }

    public virtual async Task Duplex(IAsyncStreamReader<byte[]> requests, IServerStreamWriter<byte[]> responses, ServerCallContext context)
    {
        await context.WriteResponseHeadersAsync([]);
        await foreach (var request in requests.ReadAllAsync(context.CancellationToken))
            await responses.WriteAsync(request, context.CancellationToken);
    }
}
