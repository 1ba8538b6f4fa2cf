using KeyService.Grpc;
using KeyService.Server.Pipeline;
using KeyService.Server.Sessions;
using KeyService.Server.Storage;
using KeyService.Server.Telemetry;
using KeyService.Server.Trust;
using Microsoft.Extensions.Logging.Console;

namespace KeyService.Server.Hosting;

/// <summary>
/// Builds the web application on an opened core. Nothing but the configuration file has a say: no environment variable, no
/// appsettings.json can open another port or loosen TLS.
/// </summary>
internal static class ServerHost
{
    public static WebApplication Build(ServerConfiguration configuration, ServiceCore core, TimeProvider time)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "KeyService.Server" });
        AddLogging(builder.Logging);
        var services = builder.Services;
        services.AddRouting();
        services.AddSingleton(time);
        services.AddSingleton(configuration);
        services.AddSingleton(configuration.Limits);
        services.AddSingleton(configuration.Rotation);
        services.AddSingleton(configuration.Backup);
        services.AddSingleton(configuration.Retention);
        services.AddSingleton(core.Hsm);
        services.AddSingleton(configuration.Telemetry.OtlpEndpoint is null ? core.Store : new ObservedStore(core.Store));
        services.AddSingleton(core.Rows);
        services.AddSingleton(core.Contexts);
        services.AddSingleton(new SeedVault(core.Rows, core.Installation.Id));
        services.AddSingleton(TrustFiles.Of(configuration.DataDirectory, core.Installation));
        services.AddSingleton(core.Access);
        services.AddSingleton<ListenerLog>();
        services.AddSingleton<ConnectionPlaces>();
        services.AddPipeline();
        services.AddTelemetry(configuration.Telemetry);
        services.AddCapabilities(configuration);
        services.Configure<HostOptions>(options => options.ShutdownTimeout = TimeSpan.FromSeconds(configuration.Limits.ShutdownSeconds));
        if (configuration.Tls is { } tls)
        {
            services.AddSingleton(provider => new TlsFiles(tls, configuration.Profile, time, provider.GetRequiredService<ListenerLog>()));
            services.AddSingleton<TlsListener>();
            services.AddSingleton<RevocationWatch>();
            services.AddHostedService(provider => provider.GetRequiredService<RevocationWatch>());
            services.AddSingleton<HandshakeRefusals>();
            services.AddHostedService(provider => provider.GetRequiredService<HandshakeRefusals>());
        }
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel =>
        {
            kestrel.ConfigureGrpcLimits();
            if (configuration.Listen.Tcp is { } endpoint)
                kestrel.Listen(endpoint, kestrel.ApplicationServices.GetRequiredService<TlsListener>().Configure);
            if (configuration.Listen.UnixSocket is { } path)
            {
                kestrel.ListenUnixSocket(path, listen =>
                {
                    kestrel.ApplicationServices.GetRequiredService<ConnectionPlaces>().Bound(listen);
                    UnixSocketListener.Configure(listen);
                });
            }
        });
        services.UseSocketBlocks();
        var application = builder.Build();
        TransportHosting.VerifySocketBlocks(application.Services);
        application.Services.ConnectTrust(core.Store);
        application.UseRouting();
        application.UsePipeline();
        application.MapCapabilities();
        RpcMapping.VerifyEndpoints(((IEndpointRouteBuilder)application).DataSources.SelectMany(source => source.Endpoints));
        return application;
    }

    // stdout carries the readiness line and nothing else.
    private static void AddLogging(ILoggingBuilder logging)
    {
        logging.SetMinimumLevel(LogLevel.Information);
        logging.AddFilter("Microsoft", LogLevel.Warning);
        logging.AddFilter("Grpc", LogLevel.Warning);
        // A start that fails is said once, in one line, by the command.
        logging.AddFilter("Microsoft.Extensions.Hosting", LogLevel.None);
        logging.Configure(options => options.ActivityTrackingOptions = ActivityTrackingOptions.TraceId | ActivityTrackingOptions.SpanId);
        logging.AddSimpleConsole(options =>
        {
            options.SingleLine = true;
            options.UseUtcTimestamp = true;
            options.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ ";
            options.ColorBehavior = LoggerColorBehavior.Disabled;
        });
        logging.Services.Configure<ConsoleLoggerOptions>(options =>
        {
            options.LogToStandardErrorThreshold = LogLevel.Trace;
            // Whoever reads stderr may be slow or stuck: lines are left out and counted then. What must not be lost stands in the audit log.
            options.QueueFullMode = ConsoleLoggerQueueFullMode.DropWrite;
        });
    }
}
