using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using KeyService.Client;
using KeyService.Client.Internal;
using KeyService.Fuzz.Engine;
using static KeyService.Fuzz.Engine.BrokenPropertyException;

namespace KeyService.Fuzz.Targets;

/// <summary>What a server, or whoever stands before it, answers: the details of a failed call, in a trailer.</summary>
internal static class AnswerTargets
{
    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        new("fault-details", [typeof(FaultDecoder)], Details)
        {
            AllocatedAtMost = 1 << 20, AllocatedPerByte = 1024, Seeds = Seeds,
            Words = ["type.googleapis.com/google.rpc.ErrorInfo"u8.ToArray(), "type.googleapis.com/google.rpc.RetryInfo"u8.ToArray(), "keyservice.v1"u8.ToArray(), [0x0A], [0x12], [0x1A]],
        },
    ];

    private static Outcome Details(byte[] input)
    {
        var refused = new RpcException(new global::Grpc.Core.Status(StatusCode.Unavailable, "no"), new Metadata { { "grpc-status-details-bin", input } });
        Exception decoded = FaultDecoder.Decode(refused, "https://127.0.0.1:8443", CancellationToken.None);
        Unless(decoded is KeyServiceException, "whatever comes, the caller gets the client's own exception");
        var failure = (KeyServiceException)decoded;
        Unless(failure.RetryAfter is not { } wait || wait >= TimeSpan.Zero, "nobody waits a negative time");
        return failure.Reason == ClientReason.Unreachable ? Outcome.Refused() : Outcome.Taken((failure.RetryAfter is null ? 0 : 1) + (failure.TraceId is null ? 0 : 2));
    }

    private static IEnumerable<(string Name, byte[] Input)> Seeds()
    {
        var info = new ErrorInfo { Domain = "keyservice.v1", Reason = "KEY_NOT_FOUND", Metadata = { { "trace_id", "0af7651916cd43dd8448eb211c80319c" } } };
        yield return ("reason", Of(info));
        yield return ("retry", Of(info, new RetryInfo { RetryDelay = Duration.FromTimeSpan(TimeSpan.FromSeconds(2)) }));
        yield return ("retry-out-of-range", Of(info, new RetryInfo { RetryDelay = new Duration { Seconds = long.MaxValue, Nanos = -1 } }));
        yield return ("retry-negative", Of(info, new RetryInfo { RetryDelay = new Duration { Seconds = -5 } }));
        yield return ("broken-detail", new Google.Rpc.Status { Details = { new Any { TypeUrl = "type.googleapis.com/google.rpc.ErrorInfo", Value = ByteString.CopyFrom(0x0A, 0xFF) } } }.ToByteArray());
        yield return ("none", new Google.Rpc.Status { Code = 14, Message = "no" }.ToByteArray());
    }

    private static byte[] Of(params IMessage[] details) => new Google.Rpc.Status { Code = 14, Message = "no", Details = { details.Select(Any.Pack) } }.ToByteArray();
}
