using System.Reflection;
using Grpc.Core;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Pipeline;
using KeyService.Server.SystemStatus;

namespace KeyService.Tests.Server;

public sealed class RpcMappingTests
{
    /// <summary>All gRPC services of the server but health.</summary>
    public static TheoryData<Type> Services()
    {
        var data = new TheoryData<Type>();
        foreach (var type in All().Where(type => type.GetCustomAttribute<OutsideAuditAttribute>() is null))
            data.Add(type);
        return data;
    }

    [Fact]
    public void Health_alone_of_our_services_stands_outside_the_audit() =>
        Assert.Equal([typeof(ServerHealth)], All().Where(type => type.GetCustomAttribute<OutsideAuditAttribute>() is not null));

    [Theory]
    [MemberData(nameof(Services))]
    public void Every_RPC_says_what_it_needs_and_how_it_is_recorded(Type service)
    {
        var methods = RpcMapping.RpcMethodsOf(service).ToList();
        Assert.NotEmpty(methods);
        foreach (var method in methods)
            RpcMapping.Verify(service, method);
    }

    [Fact]
    public void No_two_RPCs_share_an_event()
    {
        var events = Services().SelectMany(row => RpcMapping.RpcMethodsOf(row.Data).Select(method => (Service: row.Data, method)))
            .Select(rpc => rpc.Service
                .GetMethod(rpc.method.Name, [.. rpc.method.GetParameters().Select(parameter => parameter.ParameterType)])!
                .GetCustomAttribute<RpcAttribute>()!.AuditEvent)
            .ToList();
        Assert.Equal(events.Count, events.Distinct().Count());
    }

    [Fact]
    public async Task An_RPC_that_declares_nothing_stops_the_start()
    {
        var exception = await Assert.ThrowsAsync<InvalidOperationException>(() =>
            PipelineHost.StartAsync(endpoints => endpoints.MapRpc<Undeclared>()));
        Assert.Contains("Unary", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_stream_without_an_opening_event_stops_the_start()
    {
        var exception = await Assert.ThrowsAsync<InvalidOperationException>(() =>
            PipelineHost.StartAsync(endpoints => endpoints.MapRpc<Unopened>()));
        Assert.Contains("Count", exception.Message, StringComparison.Ordinal);
    }

    private static IEnumerable<Type> All() => typeof(RpcAttribute).Assembly.GetTypes().Where(type => !type.IsAbstract && IsService(type));

    private static bool IsService(Type type)
    {
        for (var contract = type; contract is not null; contract = contract.BaseType)
        {
            if (contract.GetCustomAttribute<BindServiceMethodAttribute>(inherit: false) is not null)
                return true;
        }
        return false;
    }

    private abstract class Whole : ProbeContract
    {
        public override Task<byte[]> Collect(IAsyncStreamReader<byte[]> requests, ServerCallContext context) =>
            throw new NotSupportedException();

        public override Task Duplex(
            IAsyncStreamReader<byte[]> requests, IServerStreamWriter<byte[]> responses, ServerCallContext context) =>
            throw new NotSupportedException();
    }

    private sealed class Undeclared : Whole
    {
        public override Task<byte[]> Unary(byte[] request, ServerCallContext context) => Task.FromResult(request);

        public override Task Count(byte[] request, IServerStreamWriter<byte[]> responses, ServerCallContext context) => Task.CompletedTask;
    }

    private sealed class Unopened : Whole
    {
        [Rpc(Permission.None, AuditEvent.OwnAccessRead)]
        public override Task<byte[]> Unary(byte[] request, ServerCallContext context) => Task.FromResult(request);

        [Rpc(Permission.None, AuditEvent.OwnAccessRead)]
        public override Task<byte[]> Collect(IAsyncStreamReader<byte[]> requests, ServerCallContext context) =>
            throw new NotSupportedException();

        [Rpc(Permission.None, AuditEvent.AuditTailClosed)]
        public override Task Count(byte[] request, IServerStreamWriter<byte[]> responses, ServerCallContext context) => Task.CompletedTask;
    }
}
