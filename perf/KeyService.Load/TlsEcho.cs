using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace KeyService.Load;

/// <summary>The yardstick of streams over TLS: SslStream, 1 MiB a write, given back as it came; no HTTP/2, no gRPC, no encryption of ours.</summary>
internal static class TlsEcho
{
    private const int Piece = 1024 * 1024;

    public static async Task ServeAsync(string certificate, string privateKey, int port, CancellationToken stop)
    {
        using var pem = X509Certificate2.CreateFromPemFile(certificate, privateKey);
        var own = X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pkcs12), null);
        using var listener = new TcpListener(IPAddress.Loopback, port);
        listener.Start();
        Console.WriteLine($"tls-echo: serving on localhost:{port}");
        while (!stop.IsCancellationRequested)
        {
            var client = await listener.AcceptTcpClientAsync(stop);
            _ = AnswerAsync(client, own);
        }
    }

    /// <summary>Sends so many MiB and takes them back.</summary>
    /// <returns>Seconds, the handshake not counted.</returns>
    public static async Task<double> SendAsync(Connection connection, int port, int mebibytes)
    {
        using var client = new TcpClient { NoDelay = true };
        await client.ConnectAsync(IPAddress.Loopback, port);
        await using var tls = new SslStream(client.GetStream());
        await tls.AuthenticateAsClientAsync(connection.TlsOptions("localhost"));
        var clock = Stopwatch.StartNew();
        var writing = Task.Run(async () =>
        {
            var piece = new byte[Piece];
            for (var i = 0; i < mebibytes; i++)
            {
                await tls.WriteAsync(piece);
            }
        });
        var buffer = new byte[Piece];
        for (var left = (long)mebibytes * Piece; left > 0;)
        {
            var read = await tls.ReadAsync(buffer);
            left -= read > 0 ? read : throw new InvalidOperationException("The TLS echo ended early.");
        }

        await writing;
        return clock.Elapsed.TotalSeconds;
    }

    private static async Task AnswerAsync(TcpClient client, X509Certificate2 own)
    {
        try
        {
            using (client)
            {
                client.NoDelay = true;
                await using var tls = new SslStream(client.GetStream());
                await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
                {
                    ServerCertificate = own,
                    EnabledSslProtocols = SslProtocols.Tls13,
                });
                await tls.CopyToAsync(tls, Piece);
            }
        }
        catch (Exception e) when (e is IOException or AuthenticationException)
        {
            // The client went away: its measurement says so.
        }
    }
}
