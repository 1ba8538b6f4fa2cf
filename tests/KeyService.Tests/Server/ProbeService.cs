using Grpc.Core;
using KeyService.Crypto;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Pipeline;

namespace KeyService.Tests.Server;

/// <summary>Contract of a service for the pipeline's tests, bound by hand: all four kinds of call over plain bytes.</summary>
[BindServiceMethod(typeof(ProbeContract), nameof(Bind))]
internal abstract class ProbeContract
{
    public const string Name = "pipeline.test.Probe";

    private static readonly Marshaller<byte[]> Bytes = Marshallers.Create(static message => message, static bytes => bytes);
    private static readonly Marshaller<byte[]> Strict = Marshallers.Create(
        static message => message,
        static bytes => bytes is [0xFF, ..] ? throw new InvalidDataException("no message") : bytes);

    public static readonly Method<byte[], byte[]> UnaryMethod = new(MethodType.Unary, Name, nameof(Unary), Strict, Bytes);
    public static readonly Method<byte[], byte[]> CollectMethod = new(MethodType.ClientStreaming, Name, nameof(Collect), Bytes, Bytes);
    public static readonly Method<byte[], byte[]> CountMethod = new(MethodType.ServerStreaming, Name, nameof(Count), Bytes, Bytes);
    public static readonly Method<byte[], byte[]> DuplexMethod = new(MethodType.DuplexStreaming, Name, nameof(Duplex), Bytes, Bytes);

    public static void Bind(ServiceBinderBase binder, ProbeContract? service)
    {
        binder.AddMethod(UnaryMethod, service is null ? null : service.Unary);
        binder.AddMethod(CollectMethod, service is null ? null : service.Collect);
        binder.AddMethod(CountMethod, service is null ? null : service.Count);
        binder.AddMethod(DuplexMethod, service is null ? null : service.Duplex);
    }

    public abstract Task<byte[]> Unary(byte[] request, ServerCallContext context);

    public abstract Task<byte[]> Collect(IAsyncStreamReader<byte[]> requests, ServerCallContext context);

    public abstract Task Count(byte[] request, IServerStreamWriter<byte[]> responses, ServerCallContext context);

    public abstract Task Duplex(IAsyncStreamReader<byte[]> requests, IServerStreamWriter<byte[]> responses, ServerCallContext context);
}

/// <summary>What an implementation may do or forget; a test sets <see cref="OnUnary"/>.</summary>
internal sealed class ProbeService(ProbeBehaviour behaviour) : ProbeContract
{
    [Rpc(Permission.None, AuditEvent.OwnAccessRead)]
    public override async Task<byte[]> Unary(byte[] request, ServerCallContext context)
    {
        var call = Call.Of(context);
        if (behaviour.Authorizes)
            call.Authorize(null, null);
        return await behaviour.OnUnary(call, request);
    }

    [Rpc(Permission.None, AuditEvent.OwnAccessRead)]
    public override async Task<byte[]> Collect(IAsyncStreamReader<byte[]> requests, ServerCallContext context)
    {
        Call.Of(context).Authorize(null, null);
        var all = new List<byte>();
        await foreach (var request in requests.ReadAllAsync())
            all.AddRange(request);
        return [.. all];
    }

    [Rpc(Permission.None, AuditEvent.AuditTailClosed, Opened = AuditEvent.AuditTailOpened)]
    public override async Task Count(byte[] request, IServerStreamWriter<byte[]> responses, ServerCallContext context)
    {
        var call = Call.Of(context);
        if (behaviour.Authorizes)
            call.Authorize(null, null);
        for (byte number = 0; number < request[0]; number++)
        {
            call.Record.ItemCount++;
            await responses.WriteAsync([number]);
        }
        if (request.Length > 1)
            await Task.Delay(Timeout.Infinite, call.CancellationToken);
    }

    [Rpc(Permission.Encrypt, AuditEvent.EncryptStreamClosed, Opened = AuditEvent.EncryptStreamOpened, PerKey = true)]
    public override async Task Duplex(IAsyncStreamReader<byte[]> requests, IServerStreamWriter<byte[]> responses, ServerCallContext context)
    {
        var call = Call.Of(context);
        if (behaviour.Authorizes)
            call.Authorize("ehr/one", EncryptionContext.Empty);
        while (await requests.MoveNext())
            await responses.WriteAsync(requests.Current);
    }
}

internal sealed class ProbeBehaviour
{
    public bool Authorizes { get; set; } = true;

    public Func<Call, byte[], Task<byte[]>> OnUnary { get; set; } = static (_, request) => Task.FromResult(request);
}
