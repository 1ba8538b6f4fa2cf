using System.Net;
using System.Net.Http.Headers;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Text.Json;
using KeyService.Server.Audit.Search;

namespace KeyService.Server.Audit.Sinks;

/// <summary>
/// OTLP logs over HTTP, in JSON. Not by OpenTelemetry's exporter, whose queue drops what it cannot deliver and tells nobody: here a record
/// counts as delivered when the collector has answered 200 and rejected none (ADR 0242).
/// </summary>
internal sealed class OtlpSink(OtlpSinkConfiguration configuration, TimeProvider time) : IAuditSink
{
    /// <summary>About 300 KB a request.</summary>
    private const int RecordsARequest = 200;

    private const int MaxAnswer = 64 * 1024;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private readonly Uri _url = new(configuration.Endpoint.ToString().TrimEnd('/') + "/v1/logs");
    private HttpClient? _client;

    public SinkPace Pace { get; } = new(10_000, 64 * 1024 * 1024, TimeSpan.FromSeconds(60));

    public async Task SendAsync(int slot, IReadOnlyList<LoggedRecord> records, CancellationToken cancellationToken)
    {
        foreach (var part in records.Chunk(RecordsARequest))
        {
            await PostAsync(part, cancellationToken);
        }
    }

    // What was answered 200 has arrived.
    public Task ConfirmAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task ResetAsync()
    {
        _client?.Dispose();
        _client = null;
        return Task.CompletedTask;
    }

    public async ValueTask DisposeAsync() => await ResetAsync();

    private async Task PostAsync(IReadOnlyList<LoggedRecord> records, CancellationToken cancellationToken)
    {
        using var timer = new CancellationTokenSource(Limit, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, cancellationToken);
        try
        {
            _client ??= NewClient();
            using var request = new HttpRequestMessage(HttpMethod.Post, _url) { Content = new ByteArrayContent(OtlpLogs.Of(records, time.GetUtcNow())) };
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            using var response = await _client.SendAsync(request, HttpCompletionOption.ResponseContentRead, both.Token);
            if (response.StatusCode != HttpStatusCode.OK)
            {
                throw new SinkException($"The collector {configuration.Target} answered {(int)response.StatusCode}.");
            }

            if (OtlpLogs.Rejection(await response.Content.ReadAsByteArrayAsync(both.Token)) is { } rejection)
            {
                throw new SinkException($"The collector {configuration.Target} {rejection}.");
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new SinkException($"The collector {configuration.Target} did not answer within {Limit.TotalSeconds:0} s.");
        }
        catch (HttpRequestException e)
        {
            throw new SinkException(
                e.InnerException is AuthenticationException tls
                    ? $"TLS with {configuration.Target} fails: {tls.InnerException?.Message ?? tls.Message}"
                    : $"The collector {configuration.Target} cannot be reached ({e.HttpRequestError}).",
                e);
        }
        catch (JsonException e)
        {
            throw new SinkException($"The collector {configuration.Target} answered 200 with something that is not OTLP.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new SinkException($"The collector {configuration.Target}: {e.Message}", e);
        }
    }

    private HttpClient NewClient() => new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseProxy = false,
        UseCookies = false,
        ConnectTimeout = Limit,
        MaxResponseHeadersLength = 16,
        PooledConnectionLifetime = TimeSpan.FromMinutes(10),
        // Whose trace it is stands in each record; that of whoever wakes the follower is nobody's business.
        ActivityHeadersPropagator = null,
        SslOptions = SinkTls.Options(configuration.Tls, serverName: null),
    })
    {
        Timeout = Timeout.InfiniteTimeSpan,
        MaxResponseContentBufferSize = MaxAnswer,
    };
}
