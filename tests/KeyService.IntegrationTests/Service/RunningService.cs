using Google.Rpc;
using Grpc.Core;
using KeyService.Protocol.V1;
using KeyService.Server.Pipeline;

namespace KeyService.IntegrationTests.Service;

/// <summary>One service for all tests of this folder that neither stop nor break it; each test has keys of its own.</summary>
[CollectionDefinition(Name)]
public sealed class RunningService : ICollectionFixture<ServiceFixture>
{
    public const string Name = "One running service";
}

/// <summary>What the tests of the RPCs have in common.</summary>
internal static class Calls
{
    private static int made;

    public static string NewRequestId() => Guid.NewGuid().ToString();

    /// <summary>A key that no other test uses.</summary>
    public static async Task<Key> NewKeyAsync(ServiceFixture service, string group = "test")
    {
        using var channel = service.ConnectAs("administrator");
        var response = await new Keys.KeysClient(channel).CreateKeyAsync(new CreateKeyRequest
        {
            RequestId = NewRequestId(), Name = $"{group}/{Guid.NewGuid():N}-{Interlocked.Increment(ref made)}",
                Purpose = KeyPurpose.EncryptDecrypt,
        });
        return response.Key;
    }

    public static async Task<Key> RotateAsync(ServiceFixture service, string name)
    {
        using var channel = service.ConnectAs("administrator");
        return (await new Keys.KeysClient(channel).RotateKeyAsync(new RotateKeyRequest { RequestId = NewRequestId(), Name = name })).Key;
    }

    public static Context Context(params (string Key, string Value)[] pairs) =>
        new() { Entries = { pairs.Select(pair => new ContextEntry { Key = pair.Key, Value = pair.Value }) } };

    /// <summary>The call is refused for this reason, with the status that goes with it and a sentence; returns the sentence.</summary>
    public static async Task<string> RefusedAsync(Reason reason, Func<Task> call)
    {
        var refused = await Assert.ThrowsAsync<RpcException>(call);
        var info = refused.GetRpcStatus()?.GetDetail<ErrorInfo>();
        Assert.True(info is not null, $"No ErrorInfo: {refused.Status}");
        Assert.Equal((Refusal.Domain, RefusalStatus.NameOf(reason)), (info.Domain, info.Reason));
        Assert.Equal(RefusalStatus.CodeOf(reason), refused.StatusCode);
        return refused.Status.Detail;
    }

    /// <summary>The reason's name in the ErrorInfo of a refusal; the status alone when the service gave none.</summary>
    public static string ReasonOf(RpcException refused) => refused.GetRpcStatus()?.GetDetail<ErrorInfo>()?.Reason ?? refused.StatusCode.ToString();

    public static Task<string> RefusedAsync<T>(Reason reason, AsyncUnaryCall<T> call) => RefusedAsync(reason, () => call.ResponseAsync);
}
