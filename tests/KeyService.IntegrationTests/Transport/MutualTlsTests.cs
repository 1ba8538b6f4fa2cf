using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Grpc.Core;
using KeyService.Protocol.V1;
using KeyService.Server.Audit;
using Microsoft.Data.Sqlite;
using AuditRecord = KeyService.Crypto.AuditRecord;

namespace KeyService.IntegrationTests.Transport;

public sealed class MutualTlsTests(ServiceFixture service) : IClassFixture<ServiceFixture>
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData(SslProtocols.Tls12)]
    [InlineData(SslProtocols.Tls13)]
    public async Task TLS_1_2_and_1_3_are_spoken(SslProtocols protocol)
    {
        await using var stream = await HandshakeAsync(protocol);
        Assert.Equal((protocol, SslApplicationProtocol.Http2), (stream.SslProtocol, stream.NegotiatedApplicationProtocol));
    }

    [Fact]
    public async Task TLS_1_2_without_an_AEAD_is_not_spoken()
    {
        await Assert.ThrowsAsync<AuthenticationException>(() => HandshakeAsync(
            SslProtocols.Tls12,
            suites: [TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384, TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256]));
        await using var stream = await HandshakeAsync(SslProtocols.Tls12, suites: [TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]);
        Assert.Equal(TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, stream.NegotiatedCipherSuite);
    }

    [Fact]
    public async Task HTTP_1_1_is_not_spoken()
    {
        await Assert.ThrowsAnyAsync<Exception>(async () =>
        {
            await using var stream = await HandshakeAsync(SslProtocols.None, SslApplicationProtocol.Http11);
            Assert.Equal(0, await stream.ReadAsync(new byte[1]));
            throw new AuthenticationException("closed");
        });
    }

    [Fact]
    public async Task A_new_server_certificate_is_used_without_a_restart_and_a_broken_one_is_not()
    {
        var pki = Path.Combine(service.Directory, "pki");
        var before = await SerialAsync();
        File.Delete(Path.Combine(pki, "server.crt"));
        (await Command.RunAsync(Path.Combine(Infrastructure.RepositoryRoot, "dev/pki.sh"), [pki])).ExpectExit(0);
        await EventuallyAsync(async () => await SerialAsync() != before);
        var after = await SerialAsync();

        await File.WriteAllTextAsync(Path.Combine(pki, "server.crt"), "-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n");
        await EventuallyAsync(async () =>
            await SerialAsync() is var _ && service.ServerLog.Contains("cannot be used; the ones before stay", StringComparison.Ordinal));
        Assert.Equal(after, await SerialAsync());
        using var channel = service.ConnectAs("database");
        Assert.Equal("database", (await new Access.AccessClient(channel).WhoAmIAsync(new WhoAmIRequest())).Principal.Name);

        File.Delete(Path.Combine(pki, "server.crt"));
        (await Command.RunAsync(Path.Combine(Infrastructure.RepositoryRoot, "dev/pki.sh"), [pki])).ExpectExit(0);
    }

    [Fact]
    public async Task A_certificate_refused_in_the_handshake_stands_in_the_audit_log()
    {
        await service.IssueClientAsync("late", days: 0);
        using (var channel = service.ConnectAs("late"))
        {
            await Assert.ThrowsAsync<RpcException>(async () => await new Access.AccessClient(channel).WhoAmIAsync(new WhoAmIRequest()));
        }
        await EventuallyAsync(() => Task.FromResult(Records().Any(record =>
            record.EventId == (ushort)AuditEvent.AuthenticationRefused
                && record.Detail?.Contains("CN=late: NotTimeValid", StringComparison.Ordinal) == true)));
    }

    [Fact]
    public async Task An_unregistered_certificate_stands_in_the_audit_log()
    {
        await service.IssueClientAsync("nobody");
        using (var channel = service.ConnectAs("nobody"))
        {
            await Assert.ThrowsAsync<RpcException>(async () => await new Access.AccessClient(channel).WhoAmIAsync(new WhoAmIRequest()));
        }
        // The record was durable before the answer left.
        Assert.Contains(Records(), record => record.EventId == (ushort)AuditEvent.AuthenticationRefused
            && record.Source?.EndsWith(" keyservice:principal/nobody", StringComparison.Ordinal) == true
                && record.Authentication == "mtls");
    }

    private List<AuditRecord> Records()
    {
        using var connection = new SqliteConnection($"Data Source={service.StorePath};Mode=ReadOnly;Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT record FROM audit_records ORDER BY sequence";
        using var reader = command.ExecuteReader();
        var records = new List<AuditRecord>();
        while (reader.Read())
        {
            Assert.True(AuditRecord.TryParse(reader.GetFieldValue<byte[]>(0), out var record));
            records.Add(record!);
        }
        return records;
    }

    private async Task<string> SerialAsync()
    {
        await using var stream = await HandshakeAsync(SslProtocols.None);
        return stream.RemoteCertificate!.GetSerialNumberString();
    }

    private async Task<SslStream> HandshakeAsync(
        SslProtocols protocol, SslApplicationProtocol? application = null, TlsCipherSuite[]? suites = null)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync("127.0.0.1", service.Port);
        var stream = new SslStream(new NetworkStream(socket, ownsSocket: true));
        try
        {
            using var pem = X509Certificate2.CreateFromPemFile(service.Database.CertificatePath, service.Database.KeyPath);
            await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
            {
                TargetHost = "localhost",
                EnabledSslProtocols = protocol,
                CipherSuitesPolicy = suites is null ? null : new CipherSuitesPolicy(suites),
                ApplicationProtocols = [application ?? SslApplicationProtocol.Http2],
                ClientCertificates = [pem],
                RemoteCertificateValidationCallback = (_, _, _, _) => true,
            });
            return stream;
        }
        catch
        {
            await stream.DisposeAsync();
            throw;
        }
    }

    private static async Task EventuallyAsync(Func<Task<bool>> holds)
    {
        using var limit = new CancellationTokenSource(Patience);
        while (!await holds())
            await Task.Delay(50, limit.Token);
    }
}
