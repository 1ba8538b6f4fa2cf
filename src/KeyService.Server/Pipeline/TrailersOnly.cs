using System.Globalization;
using System.Text;
using Grpc.Core;

namespace KeyService.Server.Pipeline;

/// <summary>
/// A gRPC answer without a message, written where the gRPC server has not begun: status and details stand in the response
/// headers ("Trailers-Only" of the gRPC over HTTP/2 protocol).
/// </summary>
internal static class TrailersOnly
{
    public static void Write(HttpResponse response, RpcException answer)
    {
        response.StatusCode = StatusCodes.Status200OK;
        response.ContentType = "application/grpc";
        var headers = response.Headers;
        headers["grpc-status"] = ((int)answer.StatusCode).ToString(CultureInfo.InvariantCulture);
        headers["grpc-message"] = PercentEncode(answer.Status.Detail);
        foreach (var entry in answer.Trailers)
            headers[entry.Key] = entry.IsBinary ? Convert.ToBase64String(entry.ValueBytes).TrimEnd('=') : entry.Value;
    }

    /// <summary>UTF-8, with everything outside printable ASCII and "%" itself as %XX.</summary>
    public static string PercentEncode(string message)
    {
        var encoded = new StringBuilder(message.Length);
        foreach (var octet in Encoding.UTF8.GetBytes(message))
        {
            if (octet is >= 0x20 and <= 0x7E and not (byte)'%')
                encoded.Append((char)octet);
            else
                encoded.Append(CultureInfo.InvariantCulture, $"%{octet:X2}");
        }
        return encoded.ToString();
    }
}
