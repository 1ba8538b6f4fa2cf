using System.Globalization;
using Grpc.Core;
using KeyService.Protocol.V1;

namespace KeyService.Server.Pipeline;

/// <summary>
/// What the gRPC server refused before the implementation was reached: message too large, not well formed, cut off, in an
/// unknown compression. It set a status; this gives it the service's reason.
/// </summary>
internal static class TransportRefusal
{
    public static Failure Of(HttpResponse response)
    {
        var status = int.TryParse(response.Headers["grpc-status"], NumberStyles.None, CultureInfo.InvariantCulture, out var code)
            ? (StatusCode)code
            : StatusCode.Internal;
        return status switch
        {
            StatusCode.ResourceExhausted => Failure.Of(Refusal.BatchTooLarge("request", "is larger than 4 MiB")),
            StatusCode.Unimplemented =>
                Failure.Of(new Refusal(Reason.Unimplemented, "Requests come uncompressed or compressed with gzip.")),
            StatusCode.DeadlineExceeded or StatusCode.Cancelled => Failure.CutOff(status),
            _ => Failure.Of(Refusal.InvalidArgument("request", "is not one whole, well-formed message of this method")),
        };
    }
}
