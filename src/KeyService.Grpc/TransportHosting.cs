using System.Buffers;
using System.IO.Compression;
using Grpc.AspNetCore.Server;
using Grpc.Net.Compression;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace KeyService.Grpc;

/// <summary>Sets the official gRPC server and Kestrel up for this service: windows, blocks, limits, compression.</summary>
public static class TransportHosting
{
    private const double MinRequestBytesPerSecond = 240;
    private static readonly TimeSpan RequestGrace = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan HeadersLimit = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Adds Grpc.AspNetCore with this project's limits. Interceptors and services are the caller's; the sockets' memory is
    /// <see cref="UseSocketBlocks"/>.
    /// </summary>
    public static IGrpcServerBuilder AddGrpcTransport(this IServiceCollection services, Action<GrpcServiceOptions>? configure = null)
    {
        return services.AddGrpc(options =>
        {
            options.EnableDetailedErrors = false;
            options.MaxReceiveMessageSize = TransportLimits.MaxMessageBytes;
            options.MaxSendMessageSize = TransportLimits.MaxMessageBytes;
            // Requests may come compressed; answers are ciphertext or keys: compressing them costs time, and beside
            // attacker-chosen text it would tell lengths.
            options.CompressionProviders = [new GzipCompressionProvider(CompressionLevel.Fastest)];
            options.ResponseCompressionAlgorithm = null;
            configure?.Invoke(options);
        });
    }

    /// <summary>Gives Kestrel this project's socket memory. To be called after UseKestrel or UseKestrelCore, which registers its own pools.</summary>
    public static void UseSocketBlocks(this IServiceCollection services)
    {
        services.RemoveAll<IMemoryPoolFactory<byte>>();
        services.AddSingleton<IMemoryPoolFactory<byte>, BlockMemoryPoolFactory>();
    }

    /// <summary>Demands that the sockets' memory is this project's: it is zeroed when it comes back, and Kestrel's own is not.</summary>
    public static void VerifySocketBlocks(IServiceProvider services)
    {
        if (services.GetRequiredService<IMemoryPoolFactory<byte>>() is not BlockMemoryPoolFactory)
            throw new InvalidOperationException("The sockets' memory is not zeroed: UseSocketBlocks was called before UseKestrelCore, or not at all.");
    }

    /// <summary>Kestrel's limits for gRPC: large windows and frames, and no clock on quiet or long streams.</summary>
    public static void ConfigureGrpcLimits(this KestrelServerOptions kestrel)
    {
        kestrel.AddServerHeader = false;
        var limits = kestrel.Limits;
        limits.Http2.InitialStreamWindowSize = TransportLimits.StreamWindowBytes;
        limits.Http2.InitialConnectionWindowSize = TransportLimits.ConnectionWindowBytes;
        limits.Http2.MaxFrameSize = TransportLimits.MaxFrameBytes;
        limits.Http2.MaxStreamsPerConnection = TransportLimits.MaxStreamsPerConnection;
        // A request of one message comes within these bounds. The gRPC server lifts both by itself for requests that are
        // streams: Kestrel answers a too low rate by closing the whole connection, so one quiet stream would take its
        // neighbours with it. Their silence is ended by the service's own idle time-out, their messages are bounded one by one.
        limits.MinRequestBodyDataRate = new MinDataRate(MinRequestBytesPerSecond, RequestGrace);
        limits.MaxRequestBodySize = 2 * TransportLimits.MaxMessageBytes;
        // Headers that do not come to their end hold a connection and its decoder: the whole connection is closed.
        limits.RequestHeadersTimeout = HeadersLimit;
        // Kestrel measures answers by connection: a stream that waits for a slow reader must not end it. A dead peer is
        // noticed by unanswered pings.
        limits.MinResponseDataRate = null;
        limits.Http2.KeepAlivePingDelay = TimeSpan.FromSeconds(30);
        limits.Http2.KeepAlivePingTimeout = TimeSpan.FromSeconds(20);
    }
}
