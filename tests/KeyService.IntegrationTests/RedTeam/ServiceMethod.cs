using System.Reflection;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Grpc.Core;
using Grpc.Net.Client;
using KeyService.Protocol.V1;
using KeyService.Server.Pipeline;

namespace KeyService.IntegrationTests.RedTeam;

/// <summary>An RPC as a stranger sees it (name and messages) and as the server declares it.</summary>
internal sealed record ServiceMethod(MethodDescriptor Descriptor, RpcAttribute Rpc)
{
    private static readonly Marshaller<byte[]> Bytes = Marshallers.Create(static bytes => bytes, static bytes => bytes);

    /// <summary>"keyservice.v1.Keys/CreateKey".</summary>
    public string Name => $"{Descriptor.Service.FullName}/{Descriptor.Name}";

    /// <summary>Every RPC of <c>keyservice/v1</c>; one that the server does not declare is missing nowhere: its attribute is looked for.</summary>
    public static IReadOnlyList<ServiceMethod> All { get; } = Find();

    public override string ToString() => Name;

    /// <summary>Calls it (with one request, where it takes no stream), reads the answer to its end, and gives how it ended.</summary>
    public async Task<Status> CallAsync(GrpcChannel channel, IReadOnlyList<byte[]> requests, Metadata? headers = null)
    {
        var kind = (Descriptor.IsClientStreaming, Descriptor.IsServerStreaming) switch
        {
            (false, false) => MethodType.Unary,
            (false, true) => MethodType.ServerStreaming,
            (true, false) => MethodType.ClientStreaming,
            _ => MethodType.DuplexStreaming,
        };
        var method = new Method<byte[], byte[]>(kind, Descriptor.Service.FullName, Descriptor.Name, Bytes, Bytes);
        // A listener that is let in goes on for ever: it is an answer all the same when the time is over.
        var options = new CallOptions(headers, deadline: DateTime.UtcNow + TimeSpan.FromSeconds(20));
        var invoker = channel.CreateCallInvoker();
        try
        {
            if (kind == MethodType.Unary)
            {
                await invoker.AsyncUnaryCall(method, null, options, requests[0]);
                return Status.DefaultSuccess;
            }

            if (kind == MethodType.ServerStreaming)
            {
                using var answers = invoker.AsyncServerStreamingCall(method, null, options, requests[0]);
                await ReadAsync(answers.ResponseStream);
                return Status.DefaultSuccess;
            }

            using var both = invoker.AsyncDuplexStreamingCall(method, null, options);
            try
            {
                foreach (var request in requests)
                {
                    await both.RequestStream.WriteAsync(request);
                }

                await both.RequestStream.CompleteAsync();
            }
            catch (Exception e) when (e is RpcException or InvalidOperationException or IOException)
            {
                // Refused before everything was sent: how it ended is read below.
            }

            await ReadAsync(both.ResponseStream);
            return Status.DefaultSuccess;
        }
        catch (RpcException e)
        {
            Ended = e;
            return e.Status;
        }
    }

    /// <summary>What the last call that failed was refused with.</summary>
    public RpcException? Ended { get; private set; }

    private static async Task ReadAsync(IAsyncStreamReader<byte[]> answers)
    {
        while (await answers.MoveNext(CancellationToken.None))
        {
        }
    }

    private static List<ServiceMethod> Find()
    {
        var declared = typeof(RpcAttribute).Assembly.GetTypes()
            .SelectMany(type => type.GetMethods(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly), (type, method) => (type, method))
            .Select(each => (each.type, each.method, Rpc: each.method.GetCustomAttribute<RpcAttribute>(inherit: false)))
            .Where(each => each.Rpc is not null)
            .ToDictionary(each => $"{ServiceNameOf(each.type)}/{each.method.Name}", each => each.Rpc!, StringComparer.Ordinal);
        return [.. typeof(WhoAmIRequest).Assembly.GetTypes()
            .Where(type => type.Namespace == typeof(WhoAmIRequest).Namespace && type.Name.EndsWith("Reflection", StringComparison.Ordinal))
            .Select(type => (FileDescriptor)type.GetProperty("Descriptor")!.GetValue(null)!)
            .SelectMany(file => file.Services).SelectMany(service => service.Methods)
            .Select(method => new ServiceMethod(method, declared[$"{method.Service.Name}/{method.Name}"]))
            .OrderBy(method => method.Name, StringComparer.Ordinal)];
    }

    // The generated base of a service is Keys.KeysBase; the cipher's is written by hand, CipherBase.
    private static string ServiceNameOf(Type type)
    {
        while (type.BaseType is { } parent && parent != typeof(object))
        {
            type = parent;
        }

        return type.Name[..^"Base".Length];
    }
}
