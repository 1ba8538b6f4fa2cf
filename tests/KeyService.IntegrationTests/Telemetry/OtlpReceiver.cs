using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace KeyService.IntegrationTests.Telemetry;

/// <summary>
/// An OTLP receiver (opentelemetry-proto 1.x) over gRPC and over HTTP: takes exports as they come on the wire and keeps their bytes
/// and what it decoded of them.
/// </summary>
internal sealed class OtlpReceiver : IAsyncDisposable
{
    private const int PrefixBytes = 5;
    private readonly WebApplication application;

    private OtlpReceiver(int grpcPort, int httpPort)
    {
        GrpcEndpoint = $"http://127.0.0.1:{grpcPort}";
        HttpEndpoint = $"http://127.0.0.1:{httpPort}";
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddRouting();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, grpcPort, listen => listen.Protocols = HttpProtocols.Http2);
            kestrel.Listen(IPAddress.Loopback, httpPort, listen => listen.Protocols = HttpProtocols.Http1);
        });
        application = builder.Build();
        Map("/v1/traces", "trace.v1.TraceService", TakeTraces);
        Map("/v1/metrics", "metrics.v1.MetricsService", TakeMetrics);
        Map("/v1/logs", "logs.v1.LogsService", TakeLogs);
    }

    public string GrpcEndpoint { get; }

    public string HttpEndpoint { get; }

    public ConcurrentQueue<OtlpSpan> Spans { get; } = new();

    public ConcurrentQueue<OtlpMetric> Metrics { get; } = new();

    public ConcurrentQueue<OtlpLog> Logs { get; } = new();

    /// <summary>Every export as it came.</summary>
    public ConcurrentQueue<byte[]> Raw { get; } = new();

    public static async Task<OtlpReceiver> StartAsync()
    {
        var receiver = new OtlpReceiver(ServiceFixture.FreePort(), ServiceFixture.FreePort());
        await receiver.application.StartAsync();
        return receiver;
    }

    public ValueTask DisposeAsync() => application.DisposeAsync();

    private void Map(string httpPath, string grpcService, Action<byte[]> take)
    {
        application.MapPost(httpPath, async (HttpContext context) =>
        {
            take(await ReadAsync(context));
            context.Response.ContentType = "application/x-protobuf";
        });
        application.MapPost($"/opentelemetry.proto.collector.{grpcService}/Export", async (HttpContext context) =>
        {
            var body = await ReadAsync(context);
            Assert.Equal((0, (uint)(body.Length - PrefixBytes)), (body[0], BinaryPrimitives.ReadUInt32BigEndian(body.AsSpan(1))));
            take(body[PrefixBytes..]);
            context.Response.ContentType = "application/grpc";
            // An empty message and the status OK.
            context.Response.AppendTrailer("grpc-status", "0");
            await context.Response.Body.WriteAsync(new byte[PrefixBytes]);
        });
    }

    private static async Task<byte[]> ReadAsync(HttpContext context)
    {
        var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        return body.ToArray();
    }

    private void TakeTraces(byte[] export)
    {
        Raw.Enqueue(export);
        // ExportTraceServiceRequest.resource_spans=1 / ResourceSpans.scope_spans=2 / ScopeSpans.spans=2
        foreach (var span in Wire.Parse(export).All(1).SelectMany(resource => resource.All(2)).SelectMany(scope => scope.All(2)))
            Spans.Enqueue(new OtlpSpan(Hex(span.Bytes(1)), Hex(span.Bytes(2)), Hex(span.Bytes(4)), span.Text(5), Attributes(span, 9)));
    }

    private void TakeMetrics(byte[] export)
    {
        Raw.Enqueue(export);
        // resource_metrics=1 / scope_metrics=2 / metrics=2; data: gauge=5, sum=7, histogram=9; their data_points=1
        foreach (var metric in Wire.Parse(export).All(1).SelectMany(resource => resource.All(2)).SelectMany(scope => scope.All(2)))
        {
            foreach (var point in metric.All(5).SelectMany(gauge => gauge.All(1)))
                Metrics.Enqueue(new OtlpMetric(metric.Text(1), Attributes(point, 7)));
            foreach (var point in metric.All(7).SelectMany(sum => sum.All(1)))
                Metrics.Enqueue(new OtlpMetric(metric.Text(1), Attributes(point, 7)));
            foreach (var point in metric.All(9).SelectMany(histogram => histogram.All(1)))
                Metrics.Enqueue(new OtlpMetric(metric.Text(1), Attributes(point, 9)));
        }
    }

    private void TakeLogs(byte[] export)
    {
        Raw.Enqueue(export);
        // resource_logs=1 / scope_logs=2 / log_records=2; LogRecord: body=5, attributes=6, trace_id=9
        foreach (var log in Wire.Parse(export).All(1).SelectMany(resource => resource.All(2)).SelectMany(scope => scope.All(2)))
            Logs.Enqueue(new OtlpLog(log.All(5).FirstOrDefault()?.Text(1) ?? "", Hex(log.Bytes(9)), Attributes(log, 6)));
    }

    // KeyValue: key=1, value=2 (AnyValue: string=1, bool=2, int=3)
    private static Dictionary<string, string> Attributes(Wire message, int field) => message.All(field)
        .ToDictionary(pair => pair.Text(1), pair =>
            pair.All(2).First() is var value && value.Has(1) ? value.Text(1) : $"{value.Number(3)}");

    private static string Hex(byte[] bytes) => Convert.ToHexStringLower(bytes);
}

internal sealed record OtlpSpan(
    string TraceId, string SpanId, string ParentId, string Name, IReadOnlyDictionary<string, string> Attributes);

internal sealed record OtlpMetric(string Name, IReadOnlyDictionary<string, string> Attributes);

internal sealed record OtlpLog(string Body, string TraceId, IReadOnlyDictionary<string, string> Attributes);
