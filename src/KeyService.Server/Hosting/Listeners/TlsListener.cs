using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using KeyService.Server.Pipeline;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace KeyService.Server.Hosting;

/// <summary>TCP with mutual TLS 1.2 or 1.3, HTTP/2 only. There is no setting for anything less.</summary>
internal sealed class TlsListener(TlsFiles files, TimeProvider time, ListenerLog log)
{
    private static readonly TimeSpan HandshakeLimit = TimeSpan.FromSeconds(10);

    public void Configure(ListenOptions listen)
    {
        listen.Protocols = HttpProtocols.Http2;
        listen.UseHttps(new TlsHandshakeCallbackOptions
        {
            HandshakeTimeout = HandshakeLimit,
            OnConnection = context => ValueTask.FromResult(Options(context)),
        });
        listen.Use(next => async connection =>
        {
            if (connection.Features.Get<ITlsConnectionFeature>()?.ClientCertificate is { } certificate)
            {
                PeerOfConnection.Set(connection.Items, new Peer(
                    "mtls",
                    CertificateCredentials.Of(certificate),
                    connection.RemoteEndPoint?.ToString() ?? "tcp",
                    new DateTimeOffset(certificate.NotAfter.ToUniversalTime())));
            }
            await next(connection);
        });
    }

    private SslServerAuthenticationOptions Options(TlsHandshakeCallbackContext context)
    {
        // One reading of the files for the whole handshake: certificate and CAs belong together.
        var material = files.Current;
        var source = context.Connection.RemoteEndPoint?.ToString() ?? "tcp";
        return new SslServerAuthenticationOptions
        {
            ServerCertificateContext = material.Context,
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            ClientCertificateRequired = true,
            RemoteCertificateValidationCallback = (_, certificate, chain, _) => Accepts(certificate, chain, material, source),
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            ApplicationProtocols = [SslApplicationProtocol.Http2],
            AllowRenegotiation = false,
            // A resumed session would stand on a certificate that was checked some time ago.
            AllowTlsResume = false,
        };
    }

    private bool Accepts(X509Certificate? presented, X509Chain? sent, TlsMaterial material, string source)
    {
        if (presented is null)
        {
            log.ClientCertificateRefused("(none)", source, "no certificate was sent");
            return false;
        }
        var certificate = presented as X509Certificate2 ?? X509CertificateLoader.LoadCertificate(presented.GetRawCertData());
        var why = ClientCertificates.Refusal(certificate, sent?.ChainPolicy.ExtraStore ?? [], material.ClientCas, time.GetUtcNow());
        if (why is null)
            return true;
        log.ClientCertificateRefused(certificate.Subject, source, why);
        return false;
    }
}
