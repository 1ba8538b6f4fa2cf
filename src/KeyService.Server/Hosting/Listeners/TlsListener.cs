using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using KeyService.Server.Certificates;
using KeyService.Server.Pipeline;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace KeyService.Server.Hosting;

/// <summary>TCP with mutual TLS 1.2 or 1.3, HTTP/2 only. There is no setting for anything less.</summary>
internal sealed class TlsListener(
    TlsFiles files, ServerConfiguration configuration, TimeProvider time, HandshakeRefusals refusals, ConnectionPlaces places,
    CertificateLedger ledger, RevocationWatch revocations)
{
    private static readonly TimeSpan HandshakeLimit = TimeSpan.FromSeconds(10);

    /// <summary>Forward secrecy and an AEAD always: RFC 9113 section 9.2.2 forbids HTTP/2 over anything less of TLS 1.2.</summary>
    private static readonly CipherSuitesPolicy? Suites = OperatingSystem.IsWindows() ? null : new(
    [
        TlsCipherSuite.TLS_AES_256_GCM_SHA384,
        TlsCipherSuite.TLS_AES_128_GCM_SHA256,
        TlsCipherSuite.TLS_CHACHA20_POLY1305_SHA256,
        TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        TlsCipherSuite.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        TlsCipherSuite.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        TlsCipherSuite.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ]);

    public void Configure(ListenOptions listen)
    {
        listen.Protocols = HttpProtocols.Http2;
        places.Bound(listen);
        places.BoundStrangers(listen);
        listen.UseHttps(new TlsHandshakeCallbackOptions
        {
            HandshakeTimeout = HandshakeLimit,
            OnConnection = context => ValueTask.FromResult(Options(context)),
        });
        listen.Use(next => async connection =>
        {
            places.Proven(connection);
            if (connection.Features.Get<ITlsConnectionFeature>()?.ClientCertificate is not { } certificate)
            {
                await next(connection);
                return;
            }
            var credentials = CertificateCredentials.Of(certificate);
            PeerOfConnection.Set(connection.Items, new Peer(
                "mtls",
                credentials,
                connection.RemoteEndPoint?.ToString() ?? "tcp",
                new DateTimeOffset(certificate.NotAfter.ToUniversalTime())));
            var seen = ledger.Opened(certificate, credentials);
            revocations.Opened(connection);
            try
            {
                await next(connection);
            }
            finally
            {
                revocations.Closed(connection);
                ledger.Closed(seen);
            }
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
            CipherSuitesPolicy = Suites,
            ClientCertificateRequired = true,
            CertificateChainPolicy = ClientCertificates.Policy(material.ClientCas, time.GetUtcNow()),
            RemoteCertificateValidationCallback = (_, certificate, chain, errors) => Accepts(certificate, chain, errors, source, context.Connection),
            ApplicationProtocols = [SslApplicationProtocol.Http2],
            AllowRenegotiation = false,
            // A resumed session would stand on a certificate that was checked some time ago.
            AllowTlsResume = false,
        };
    }

    private bool Accepts(X509Certificate? presented, X509Chain? chain, SslPolicyErrors errors, string source, ConnectionContext connection)
    {
        if (presented is not null && errors == SslPolicyErrors.None)
            return !LivesTooLong(presented, source) && !IsRevoked(presented, chain, source, connection);
        if (presented is null)
            refusals.Add("(none)", source, "no certificate was sent");
        else
            refusals.Add(presented.Subject, source, ClientCertificates.Explain(chain));
        return false;
    }

    private bool IsRevoked(X509Certificate presented, X509Chain? chain, string source, ConnectionContext connection)
    {
        if (revocations.Refuse(chain, connection) is not { } why)
            return false;
        refusals.Add(presented.Subject, source, why);
        return true;
    }

    // The development profile takes it, and an alarm of its principal says so.
    private bool LivesTooLong(X509Certificate presented, string source)
    {
        if (configuration.Profile != ServerProfile.Production || presented is not X509Certificate2 certificate
            || !CertificateRules.LivesTooLong(CertificateFacts.Of(certificate)))
            return false;
        refusals.Add(presented.Subject, source, $"it lives longer than 12 months ({CertificateRules.LongestLife.TotalDays:0} days)");
        return true;
    }
}
