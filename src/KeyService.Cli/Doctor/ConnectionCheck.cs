using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using KeyService.Client;
using KeyService.Client.Internal;

namespace KeyService.Cli.Doctor;

/// <summary>Opens a connection by hand, to say at which step it fails.</summary>
internal static class ConnectionCheck
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    public static async Task<IReadOnlyList<Finding>> RunAsync(ClientProfile profile, DateTimeOffset now, CancellationToken cancellation)
    {
        using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limited.CancelAfter(Limit);
        try
        {
            return Endpoints.UnixPath(profile.Endpoint) is { } path
                ? [await UnixAsync(path, limited.Token).ConfigureAwait(false)]
                : await TlsAsync(profile, now, limited.Token).ConfigureAwait(false);
        }
        catch (KeyServiceException e)
        {
            return [Finding.Problem("connection", e.Message, e.Advice)];
        }
        catch (SocketException e)
        {
            return [Finding.Problem("connection", $"Nothing answers at {profile.Endpoint}: {e.Message}.",
                "Start the service (keyservice serve), or correct the endpoint in the profile.")];
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return [Finding.Problem("connection", $"{profile.Endpoint} did not answer within {Limit.TotalSeconds:0} seconds.",
                "Look for a firewall between, or a service that hangs.")];
        }
    }

    private static async Task<Finding> UnixAsync(string path, CancellationToken cancellation)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation).ConfigureAwait(false);
        return Finding.Good("connection", $"The socket {path} answers.");
    }

    private static async Task<IReadOnlyList<Finding>> TlsAsync(ClientProfile profile, DateTimeOffset now, CancellationToken cancellation)
    {
        var uri = Endpoints.Https(profile.Endpoint);
        using var tcp = new TcpClient();
        await tcp.ConnectAsync(uri.DnsSafeHost, uri.Port, cancellation).ConfigureAwait(false);
        X509Certificate2? server = null;
        string? complaint = null;
        var options = ChannelFactory.TlsOptions(profile.ToOptions());
        options.TargetHost = uri.DnsSafeHost;
        options.ApplicationProtocols = [SslApplicationProtocol.Http2];
        options.RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
        {
            server = certificate is null ? null : new X509Certificate2(certificate);
            complaint = Complaint(uri.DnsSafeHost, chain, errors);
            return complaint is null;
        };
        using var tls = new SslStream(tcp.GetStream());
        try
        {
            await tls.AuthenticateAsClientAsync(options, cancellation).ConfigureAwait(false);
        }
        catch (Exception e) when (e is AuthenticationException or IOException)
        {
            return [Finding.Problem("tls", complaint ?? $"The handshake with {profile.Endpoint} failed: {e.Message}",
                complaint is null
                    ? "Check that a KeyService listens there, and that it takes certificates of this client's authority."
                    : "Name the authority that signed the server in the profile's ca, or have the server's certificate renewed.")];
        }
        return
        [
            Finding.Good("tls", $"Handshake with {profile.Endpoint}: {tls.SslProtocol}, {tls.NegotiatedCipherSuite}."),
            ProfileCheck.Expiry("server-cert", $"The server certificate {server!.Subject}", server.NotBefore, server.NotAfter, now,
                "Renew the server's certificate; it is taken up without a restart."),
        ];
    }

    private static string? Complaint(string host, X509Chain? chain, SslPolicyErrors errors)
    {
        if (errors == SslPolicyErrors.None)
        {
            return null;
        }
        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateNotAvailable))
        {
            return "The server showed no certificate.";
        }
        var reasons = chain?.ChainStatus.Select(status => status.Status switch
        {
            X509ChainStatusFlags.UntrustedRoot or X509ChainStatusFlags.PartialChain => "it was not signed by the profile's ca",
            X509ChainStatusFlags.NotTimeValid => "it has expired or is not valid yet",
            X509ChainStatusFlags.NotValidForUsage => "it is not a server's certificate",
            _ => status.Status.ToString(),
        }).ToList() ?? [];
        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
        {
            reasons.Add($"it does not name {host}");
        }
        return $"The server's certificate is refused: {string.Join(", ", reasons.Distinct())}.";
    }
}
