using System.Buffers;
using System.Security.Cryptography.X509Certificates;
using KeyService.Crypto.Logs;
using KeyService.Server.Hosting;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging.Console;

namespace KeyService.Server.Witness;

/// <summary>The witness as a web application: one POST, and its public key for whoever asks.</summary>
internal static class WitnessHost
{
    private const double LeastRate = 240;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    public static WebApplication Build(WitnessConfiguration configuration, WitnessKey key, WitnessState state, TimeProvider time)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "KeyService.Witness" });
        builder.Logging.SetMinimumLevel(LogLevel.Information).AddFilter("Microsoft", LogLevel.Warning).AddSimpleConsole(options =>
        {
            options.SingleLine = true;
            options.UseUtcTimestamp = true;
            options.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ ";
            options.ColorBehavior = LoggerColorBehavior.Disabled;
        });
        builder.Services.Configure<ConsoleLoggerOptions>(options => options.LogToStandardErrorThreshold = LogLevel.Trace);
        builder.Services.AddRouting();
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = WitnessRequest.MaxLength;
            kestrel.Limits.RequestHeadersTimeout = Limit;
            kestrel.Limits.MinRequestBodyDataRate = new MinDataRate(LeastRate, Limit);
            kestrel.Limits.MaxConcurrentConnections = 1000;
            kestrel.Listen(configuration.Listen, listen =>
            {
                if (configuration.CertificatePath is { } certificate)
                {
                    listen.UseHttps(CertificateOf(certificate, configuration.PrivateKeyPath!));
                }
            });
        });
        var application = builder.Build();
        var desk = new WitnessDesk(configuration.Logs, key, state, time, application.Services.GetRequiredService<ILogger<WitnessDesk>>());
        application.UseRouting();
        application.MapPost("/add-checkpoint", context => AnswerAsync(context, desk));
        application.MapGet("/key", context => context.Response.WriteAsync($"{key.Verifier}\n", context.RequestAborted));
        return application;
    }

    private static async Task AnswerAsync(HttpContext context, WitnessDesk desk)
    {
        using var body = new MemoryStream();
        try
        {
            await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        }
        catch (Microsoft.AspNetCore.Http.BadHttpRequestException exception)
        {
            context.Response.StatusCode = exception.StatusCode;
            return;
        }

        var answer = desk.Add(body.GetBuffer().AsSpan(0, (int)body.Length));
        context.Response.StatusCode = answer.Status;
        context.Response.ContentType = answer.MediaType;
        context.Response.ContentLength = answer.Body.Length;
        await context.Response.Body.WriteAsync(answer.Body, context.RequestAborted);
    }

    private static X509Certificate2 CertificateOf(string certificate, string key)
    {
        try
        {
            return X509Certificate2.CreateFromPemFile(certificate, key);
        }
        catch (Exception exception) when (exception is System.Security.Cryptography.CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw new StartUpException(ExitCode.Configuration, $"tls.certificate or tls.privateKey cannot be used: {exception.Message}", exception);
        }
    }
}
