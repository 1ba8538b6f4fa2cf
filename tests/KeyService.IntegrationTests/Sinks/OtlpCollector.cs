using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace KeyService.IntegrationTests.Sinks;

/// <summary>A small collector: takes OTLP logs in JSON over HTTP and keeps what it answered 200 for.</summary>
internal sealed class OtlpCollector : IAsyncDisposable
{
    private readonly WebApplication application;

    private OtlpCollector(int port)
    {
        Endpoint = $"http://127.0.0.1:{port}";
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, port));
        application = builder.Build();
        application.Run(TakeAsync);
    }

    public string Endpoint { get; }

    /// <summary>Slot, sequence and event of every record that was taken.</summary>
    public ConcurrentQueue<(int Slot, long Sequence, string Event)> Records { get; } = new();

    public int Requests { get; private set; }

    /// <summary>What it does with a request; a test changes it. True takes it.</summary>
    public Func<HttpContext, Task<bool>> Answer { get; set; } = _ => Task.FromResult(true);

    public static async Task<OtlpCollector> StartAsync(int port = 0)
    {
        var collector = new OtlpCollector(port == 0 ? ServiceFixture.FreePort() : port);
        await collector.application.StartAsync();
        return collector;
    }

    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource(TimeSpan.Zero);
        await application.StopAsync(now.Token);
        await application.DisposeAsync();
    }

    private async Task TakeAsync(HttpContext context)
    {
        Requests++;
        Assert.Equal(("POST", "/v1/logs", "application/json"), (context.Request.Method, context.Request.Path.Value, context.Request.ContentType));
        using var body = await JsonDocument.ParseAsync(context.Request.Body);
        if (!await Answer(context))
        {
            return;
        }

        foreach (var record in body.RootElement.GetProperty("resourceLogs")[0].GetProperty("scopeLogs")[0].GetProperty("logRecords").EnumerateArray())
        {
            var attributes = record.GetProperty("attributes").EnumerateArray()
                .ToDictionary(each => each.GetProperty("key").GetString()!, each => each.GetProperty("value").GetProperty("stringValue").GetString()!);
            Records.Enqueue((
                int.Parse(attributes["keyservice.audit.slot"]), long.Parse(attributes["keyservice.audit.sequence"]), attributes["keyservice.audit.event"]));
        }

        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync("{}");
    }
}
