using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace KeyService.IntegrationTests.Alarms;

/// <summary>What a hospital would write to receive alarms: a small web server that checks the signature before it believes anything.</summary>
internal sealed class WebhookReceiver : IAsyncDisposable
{
    public const string Secret = "correct horse battery staple";

    private readonly WebApplication application;

    private WebhookReceiver(int port, X509Certificate2? certificate)
    {
        Url = $"{(certificate is null ? "http" : "https")}://localhost:{port}/hook";
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, port, listen =>
        {
            if (certificate is not null)
                listen.UseHttps(certificate);
        }));
        application = builder.Build();
        application.Run(TakeAsync);
    }

    public string Url { get; }

    /// <summary>Posts that came, signed rightly or not, in order.</summary>
    public ConcurrentQueue<WebhookPost> Posts { get; } = new();

    /// <summary>What it answers; a test changes it.</summary>
    public Func<HttpContext, Task> Answer { get; set; } = context =>
    {
        context.Response.StatusCode = StatusCodes.Status204NoContent;
        return Task.CompletedTask;
    };

    public static async Task<WebhookReceiver> StartAsync(X509Certificate2? certificate = null)
    {
        var receiver = new WebhookReceiver(ServiceFixture.FreePort(), certificate);
        await receiver.application.StartAsync();
        return receiver;
    }

    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource(TimeSpan.Zero);
        await application.StopAsync(now.Token);
        await application.DisposeAsync();
    }

    private async Task TakeAsync(HttpContext context)
    {
        var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        Posts.Enqueue(new WebhookPost(
            context.Request.Method, context.Request.Path, context.Request.ContentType ?? "", context.Request.Headers["KeyService-Signature"].ToString(),
            body.ToArray()));
        await Answer(context);
    }
}

internal sealed record WebhookPost(string Method, string Path, string ContentType, string Signature, byte[] Body)
{
    public JsonElement Json => JsonDocument.Parse(Body).RootElement;

    public string Event => Json.GetProperty("event").GetString()!;

    public string Alarm(string field) => Json.GetProperty("alarm").GetProperty(field).ToString();

    /// <summary>As docs/operations.md tells a receiver to do it.</summary>
    public bool IsSignedBy(string secret, DateTimeOffset now)
    {
        var parts = Signature.Split(',').Select(part => part.Split('=', 2)).ToDictionary(part => part[0], part => part[1]);
        var seconds = long.Parse(parts["t"], CultureInfo.InvariantCulture);
        var expected = HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), (byte[])[.. Encoding.ASCII.GetBytes($"{seconds}."), .. Body]);
        return CryptographicOperations.FixedTimeEquals(expected, Convert.FromHexString(parts["v1"]))
            && Math.Abs(now.ToUnixTimeSeconds() - seconds) < 300;
    }
}
