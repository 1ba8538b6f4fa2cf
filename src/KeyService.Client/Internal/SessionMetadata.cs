using Grpc.Core;
using Grpc.Core.Interceptors;

namespace KeyService.Client.Internal;

/// <summary>Sends a session's token with each call.</summary>
internal static class SessionMetadata
{
    private const string Name = "keyservice-session-bin";

    public static CallInvoker Over(CallInvoker invoker, ReadOnlyMemory<byte>? token)
    {
        if (token is not { } given)
        {
            return invoker;
        }
        var bytes = given.ToArray();
        return invoker.Intercept(metadata =>
        {
            metadata.Add(Name, bytes);
            return metadata;
        });
    }
}
