using System.Net.Sockets;
using System.Security.Cryptography;
using KeyService.Server.Audit.Sinks;

namespace KeyService.Server.Hosting;

/// <summary>Whether each sink can be used from here: a directory that takes files, certificates that can be read, a receiver that answers. Nothing is delivered.</summary>
internal static class SinksCheck
{
    private const string Check = "sinks";

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);

    public static async Task<IReadOnlyList<Finding>> RunAsync(SinksConfiguration sinks, TimeProvider time, CancellationToken cancellation)
    {
        var findings = new List<Finding>();
        foreach (var sink in sinks.All)
        {
            findings.Add(sink switch
            {
                DirectorySinkConfiguration directory => Of(directory),
                SyslogSinkConfiguration syslog => Of(syslog.Tls, syslog.Name) ?? await ReachAsync(syslog, syslog.Host, syslog.Port, time, cancellation),
                OtlpSinkConfiguration otlp => Of(otlp.Tls, otlp.Name) ?? await ReachAsync(otlp, otlp.Endpoint.DnsSafeHost, otlp.Endpoint.Port, time, cancellation),
                _ => throw new InvalidOperationException($"There is no sink of kind {sink.Kind}."),
            });
        }

        return findings;
    }

    private static Finding Of(DirectorySinkConfiguration sink)
    {
        // What is written and removed again here is no file of records.
        var probe = Path.Combine(sink.Directory, $".doctor-{RandomNumberGenerator.GetHexString(12, lowercase: true)}");
        try
        {
            File.WriteAllBytes(probe, [1]);
            File.Delete(probe);
            return Finding.Good(Check, $"{sink.Name}: {sink.Directory} takes files.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Finding.Problem(Check, $"{sink.Name}: {e.Message}", $"Mount or make {sink.Directory}, and let the server's user write there.");
        }
    }

    private static Finding? Of(SinkTlsConfiguration tls, string name)
    {
        try
        {
            SinkTls.Options(tls, serverName: null);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            return Finding.Problem(Check, $"{name}: {e.Message}", $"Correct the certificates of the sink {name}.");
        }
    }

    private static async Task<Finding> ReachAsync(SinkConfiguration sink, string host, int port, TimeProvider time, CancellationToken cancellation)
    {
        using var timer = new CancellationTokenSource(Limit, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, cancellation);
        using var client = new TcpClient();
        try
        {
            await client.ConnectAsync(host, port, both.Token);
            return Finding.Good(Check, $"{sink.Name}: {sink.Target} listens.");
        }
        catch (Exception e) when (e is SocketException || (e is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            // The server starts all the same, and delivers later.
            return Finding.Warning(
                Check, $"{sink.Name}: {sink.Target} does not answer: {(e is SocketException ? e.Message : $"nothing within {Limit.TotalSeconds:0} s")}.",
                "Start the receiver, or correct its address; keyservice audit sinks shows what it lacks.");
        }
    }
}
