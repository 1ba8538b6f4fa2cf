using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using KeyService.Server.Audit.Sinks;

namespace KeyService.Tests.Audit.Sinks;

/// <summary>A CA and certificates of it for one test, and a syslog receiver over TLS that reads frames as RFC 5425 counts them.</summary>
internal sealed class TlsReceiver : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly X509Certificate2 _certificate;
    private readonly X509Certificate2 _ca;
    private readonly Task _accepting;
    private readonly List<string> _messages = [];

    public TlsReceiver(DirectoryInfo directory, string name = "localhost")
    {
        using var caKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var caRequest = new CertificateRequest("CN=Test CA", caKey, HashAlgorithmName.SHA256);
        caRequest.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        _ca = caRequest.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(30));
        _certificate = Issue(name, "server", directory);
        using var client = Issue("keyservice", "client", directory);
        CaPath = Path.Combine(directory.FullName, $"ca-{Guid.NewGuid():n}.pem");
        File.WriteAllText(CaPath, _ca.ExportCertificatePem());
        Tls = new SinkTlsConfiguration(CaPath, Path.Combine(directory.FullName, "client.pem"), Path.Combine(directory.FullName, "client.key"));
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public string CaPath { get; }

    public SinkTlsConfiguration Tls { get; }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Cuts the connection, without a word, when as many bytes have come; 0 never.</summary>
    public int CutAfter { get; set; }

    /// <summary>Between two reads.</summary>
    public TimeSpan Slow { get; set; }

    /// <summary>Ends connections without close_notify.</summary>
    public bool SaysNothing { get; set; }

    /// <summary>Whoever calls must show a certificate of the CA.</summary>
    public bool Mutual { get; set; }

    public int Connections { get; private set; }

    public IReadOnlyList<string> Messages
    {
        get
        {
            lock (_messages)
            {
                return [.. _messages];
            }
        }
    }

    public SyslogSinkConfiguration Configuration(string serverName = "localhost") => new("siem", "127.0.0.1", Port, serverName, Tls, 32473, SyslogConfirmation.CloseNotify);

    public async ValueTask DisposeAsync()
    {
        if (_stop.IsCancellationRequested)
        {
            return;
        }

        await _stop.CancelAsync();
        _listener.Dispose();
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _certificate.Dispose();
        _ca.Dispose();
    }

    private X509Certificate2 Issue(string name, string file, DirectoryInfo directory)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(name);
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.Create(_ca, DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(20), RandomNumberGenerator.GetBytes(8));
        File.WriteAllText(Path.Combine(directory.FullName, $"{file}.pem"), certificate.ExportCertificatePem());
        File.WriteAllText(Path.Combine(directory.FullName, $"{file}.key"), key.ExportPkcs8PrivateKeyPem());
        return certificate.CopyWithPrivateKey(key);
    }

    private async Task AcceptAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            using var client = await _listener.AcceptTcpClientAsync(_stop.Token);
            Connections++;
            try
            {
                await ReceiveAsync(client);
            }
            catch (Exception e) when (e is IOException or System.Security.Authentication.AuthenticationException or SocketException)
            {
                // The next connection.
            }
        }
    }

    private async Task ReceiveAsync(TcpClient client)
    {
        await using var stream = new SslStream(client.GetStream());
        await stream.AuthenticateAsServerAsync(
            new SslServerAuthenticationOptions
            {
                ServerCertificate = _certificate,
                ClientCertificateRequired = Mutual,
                RemoteCertificateValidationCallback = (_, certificate, _, _) => !Mutual || certificate?.Issuer == "CN=Test CA",
            },
            _stop.Token);
        var buffer = new byte[4096];
        var pending = new List<byte>();
        var total = 0;
        while (await stream.ReadAsync(buffer, _stop.Token) is > 0 and var length)
        {
            pending.AddRange(buffer.AsSpan(0, length));
            Take(pending);
            total += length;
            if (CutAfter > 0 && total >= CutAfter)
            {
                client.Client.LingerState = new LingerOption(true, 0);
                client.Client.Close();
                return;
            }

            if (Slow > TimeSpan.Zero)
            {
                await Task.Delay(Slow, _stop.Token);
            }
        }

        if (SaysNothing)
        {
            client.Client.Shutdown(SocketShutdown.Both);
            return;
        }

        await stream.ShutdownAsync();
    }

    private void Take(List<byte> pending)
    {
        while (pending.IndexOf((byte)' ') is > 0 and var space
            && int.Parse(Encoding.ASCII.GetString([.. pending.Take(space)])) is var length && pending.Count >= space + 1 + length)
        {
            lock (_messages)
            {
                _messages.Add(Encoding.UTF8.GetString([.. pending.Skip(space + 1).Take(length)]));
            }

            pending.RemoveRange(0, space + 1 + length);
        }
    }
}
