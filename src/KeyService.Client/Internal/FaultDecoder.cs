using System.Net.Sockets;
using System.Security.Authentication;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;

namespace KeyService.Client.Internal;

/// <summary>How a connection failed, when it did.</summary>
internal enum TransportFault
{
    None,
    NotListening,
    Handshake,
    ConnectionClosedEarly,
    Broken,
}

/// <summary>Turns what the transport throws into a reason, a sentence, and what to do.</summary>
internal static class FaultDecoder
{
    private const string Domain = "keyservice.v1";

    public static Exception Decode(RpcException e, string endpoint, CancellationToken cancellation)
    {
        if (e.StatusCode == StatusCode.Cancelled && cancellation.IsCancellationRequested)
        {
            return new OperationCanceledException("The call was cancelled.", e, cancellation);
        }
        // Details stand in a trailer that anybody between could have broken: an unreadable one is none.
        if (ReadDetails(e) is ({ Domain: Domain } info, var retry))
        {
            return new KeyServiceException(info.Reason, e.Status.Detail, ReasonAdvice.Of(info.Reason), e)
            {
                TraceId = info.Metadata.TryGetValue("trace_id", out var trace) ? trace : null,
                RetryAfter = Wait(retry?.RetryDelay),
            };
        }
        return WithoutReason(e, endpoint);
    }

    // Null for a duration that is none: negative, or out of the range of the type.
    private static TimeSpan? Wait(Duration? delay) =>
        delay is { Seconds: >= 0 and <= Duration.MaxSeconds, Nanos: >= 0 and < 1_000_000_000 } ? delay.ToTimeSpan() : null;

    /// <summary>What the exception says of the connection.</summary>
    public static TransportFault Transport(RpcException e)
    {
        for (var cause = e.Status.DebugException; cause is not null; cause = cause.InnerException)
        {
            switch (cause)
            {
                case AuthenticationException:
                    return TransportFault.Handshake;
                case SocketException { SocketErrorCode: SocketError.ConnectionRefused or SocketError.HostNotFound
                    or SocketError.TryAgain or SocketError.HostUnreachable or SocketError.NetworkUnreachable
                    or SocketError.AddressNotAvailable or SocketError.TimedOut }:
                    return TransportFault.NotListening;
                // A TLS 1.3 server judges our certificate after our side of the handshake is done: its refusal arrives as an
                // alert inside the first read, which OpenSSL reports in words.
                case IOException when IsAlert(cause):
                    return TransportFault.Handshake;
                case SocketException { SocketErrorCode: SocketError.ConnectionReset or SocketError.ConnectionAborted or SocketError.Shutdown }:
                    return TransportFault.ConnectionClosedEarly;
                case SocketException:
                    return TransportFault.NotListening;
                case HttpIOException
                {
                    HttpRequestError: HttpRequestError.ResponseEnded or HttpRequestError.HttpProtocolError or HttpRequestError.InvalidResponse,
                }:
                    return TransportFault.ConnectionClosedEarly;
            }
        }
        // Nothing inside said more: the outermost exception still knows that HTTP/2 never began, or broke.
        return e.Status.DebugException switch
        {
            null => TransportFault.None,
            HttpRequestException => TransportFault.ConnectionClosedEarly,
            _ => TransportFault.Broken,
        };
    }

    private static bool IsAlert(Exception? e)
    {
        for (; e is not null; e = e.InnerException)
        {
            if (e.Message.Contains("alert", StringComparison.OrdinalIgnoreCase))
            {
                return true;
            }
        }
        return false;
    }

    private static (ErrorInfo? Info, RetryInfo? Retry) ReadDetails(RpcException e)
    {
        try
        {
            var status = e.GetRpcStatus();
            return (status?.GetDetail<ErrorInfo>(), status?.GetDetail<RetryInfo>());
        }
        catch (Exception bad) when (bad is Google.Protobuf.InvalidProtocolBufferException or FormatException)
        {
            return default;
        }
    }

    private static KeyServiceException WithoutReason(RpcException e, string endpoint) => (Transport(e), e.StatusCode) switch
    {
        (TransportFault.NotListening, _) => new(ClientReason.Unreachable, $"Nothing answers at {endpoint}.",
            "Start the service (keyservice serve), or check the endpoint in the profile; keyservice doctor looks at both.", e),
        (TransportFault.Handshake, _) => new(ClientReason.TlsFailed, $"The TLS handshake with {endpoint} failed: {Innermost(e)}",
            "Check ca, certificate and privateKey of the profile, and that none has expired; keyservice doctor names which.", e),
        (TransportFault.ConnectionClosedEarly, _) => new(ClientReason.Unreachable, $"{endpoint} closed the connection before it answered.",
            "It may refuse this client's certificate, or not be a KeyService; keyservice doctor looks further.", e),
        (_, StatusCode.DeadlineExceeded) => new(ClientReason.DeadlineExceeded, $"{endpoint} did not answer in time.",
            "Call again; a mutation sent again with the same request id happens once.", e),
        (_, StatusCode.Unavailable) => new(ClientReason.Unreachable, $"The connection to {endpoint} broke.",
            "Call again, and look at the server's log when it goes on.", e),
        (_, StatusCode.Unimplemented) => new("UNIMPLEMENTED", $"{endpoint} does not know this call.",
            "Use a client and a server of the same release.", e),
        _ => new(ClientReason.Protocol, $"{endpoint} answered something that this client does not understand ({e.StatusCode}: {e.Status.Detail}).",
            "Check that a KeyService of this release is behind the endpoint.", e),
    };

    private static string Innermost(RpcException e)
    {
        Exception cause = e.Status.DebugException!;
        while (cause.InnerException is { } inner && cause is not AuthenticationException)
        {
            cause = inner;
        }
        return cause.Message.TrimEnd('.') + ".";
    }
}
