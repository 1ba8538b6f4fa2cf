using System.Reflection;
using Grpc.AspNetCore.Server;
using Grpc.Core;

namespace KeyService.Server.Pipeline;

/// <summary>
/// Maps the service's RPCs. One without an <see cref="RpcAttribute"/> beside its implementation cannot be mapped: the server
/// does not start.
/// </summary>
internal static class RpcMapping
{
    /// <exception cref="InvalidOperationException">A method has no implementation here, or declares nothing, or declares it
    /// wrongly.</exception>
    public static GrpcServiceEndpointConventionBuilder MapRpc<TService>(this IEndpointRouteBuilder endpoints) where TService : class
    {
        foreach (var method in RpcMethodsOf(typeof(TService)))
            Verify(typeof(TService), method);
        return endpoints.MapGrpcService<TService>();
    }

    /// <summary>
    /// Every gRPC endpoint of the server is either declared or marked as outside the audit, however it came to be mapped.
    /// </summary>
    /// <exception cref="InvalidOperationException">One is neither.</exception>
    public static void VerifyEndpoints(IEnumerable<Endpoint> endpoints)
    {
        foreach (var endpoint in endpoints)
        {
            var isRpc = endpoint.Metadata.GetMetadata<GrpcMethodMetadata>() is not null;
            if (isRpc && endpoint.Metadata.GetMetadata<RpcAttribute>() is null
                && endpoint.Metadata.GetMetadata<OutsideAuditAttribute>() is null)
                throw new InvalidOperationException(
                    $"{endpoint.DisplayName} is mapped without saying what it needs and how it is recorded.");
        }
    }

    /// <summary>The RPCs of a service as its generated base class has them.</summary>
    internal static IEnumerable<MethodInfo> RpcMethodsOf(Type service)
    {
        var contract = service;
        while (contract is not null && contract.GetCustomAttribute<BindServiceMethodAttribute>(inherit: false) is null)
            contract = contract.BaseType;
        if (contract is null)
            throw new InvalidOperationException($"{service} is no gRPC service.");
        return contract.GetMethods(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly)
            .Where(method => method.IsVirtual && method.GetParameters().LastOrDefault()?.ParameterType == typeof(ServerCallContext));
    }

    /// <exception cref="InvalidOperationException">The method is not implemented or not declared as it must be.</exception>
    internal static void Verify(Type service, MethodInfo method)
    {
        var parameters = method.GetParameters();
        var implementation = service.GetMethod(method.Name, [.. parameters.Select(parameter => parameter.ParameterType)]);
        if (implementation is null || implementation.DeclaringType == method.DeclaringType && method.DeclaringType != service)
            throw new InvalidOperationException($"{service.Name} does not implement {method.Name}.");
        var rpc = implementation.GetCustomAttribute<RpcAttribute>(inherit: false)
            ?? throw new InvalidOperationException(
                $"{service.Name}.{method.Name} does not say what it needs and how it is recorded: [Rpc(…)].");
        var answersAsStream = parameters.Any(parameter => parameter.ParameterType.IsGenericType
            && parameter.ParameterType.GetGenericTypeDefinition() == typeof(IServerStreamWriter<>));
        if (answersAsStream != (rpc.Opened != default))
            throw new InvalidOperationException(
                $"{service.Name}.{method.Name}: a stream, and nothing else, names the event of its opening.");
    }
}
