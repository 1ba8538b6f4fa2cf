using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Authentication;
using System.Security.Cryptography;
using KeyService.Server.Hosting;

namespace KeyService.Server.Alarms;

/// <summary>
/// One POST of an alarm, signed. HTTPS with the server verified, always; no redirect is followed, no proxy of the environment is asked, and
/// of the answer only the status counts. A connection a delivery: alarms are rare, and a renewed CA or secret counts at once.
/// </summary>
internal sealed class Webhook(WebhookConfiguration configuration, TimeProvider time)
{
    public const string SignatureHeader = "KeyService-Signature";

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    /// <summary>Posts it; null when the receiver took it, else why not, without a secret and without the URL's path.</summary>
    public async Task<string?> PostAsync(AlarmNews news, Alarm alarm, CancellationToken cancellationToken)
    {
        try
        {
            using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            limited.CancelAfter(Limit);
            var body = WebhookBody.Of(news, alarm, time.GetUtcNow());
            using var client = OutboundHttp.NewClient(configuration.CaPath, Limit);
            using var request = new HttpRequestMessage(HttpMethod.Post, configuration.Url) { Content = new ByteArrayContent(body) };
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            request.Headers.UserAgent.Add(new ProductInfoHeaderValue("KeyService", SystemStatus.SystemRpcs.Version));
            request.Headers.Add(SignatureHeader, Sign(body));
            using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limited.Token);
            return response.IsSuccessStatusCode ? null : $"the receiver answered {(int)response.StatusCode}";
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return $"the receiver did not answer within {Limit.TotalSeconds:0} s";
        }
        catch (HttpRequestException exception)
        {
            return exception.InnerException is AuthenticationException
                ? "the receiver's certificate is not accepted" : $"the receiver cannot be reached ({exception.HttpRequestError})";
        }
        catch (WebhookSecretException exception)
        {
            return exception.Message;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or CryptographicException)
        {
            return $"alarms.webhook.ca cannot be read: {exception.Message}";
        }
    }

    /// <summary>
    /// "t=UNIX SECONDS,v1=HEX": HMAC-SHA-256 over the seconds, ".", and the body, so that the receiver can refuse what is not from here and
    /// what is old.
    /// </summary>
    private string Sign(byte[] body)
    {
        var seconds = time.GetUtcNow().ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        using var secret = WebhookSecret.Open(configuration.SecretFile);
        var mac = HMACSHA256.HashData(secret.DangerousSpan, [.. System.Text.Encoding.ASCII.GetBytes(seconds), (byte)'.', .. body]);
        return $"t={seconds},v1={Convert.ToHexStringLower(mac)}";
    }
}
