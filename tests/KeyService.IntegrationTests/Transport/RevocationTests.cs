using System.Diagnostics;
using System.Numerics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Grpc.Core;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.Transport;

/// <summary>tls.crl on the real server: who is revoked is refused, and its open connections are closed.</summary>
public sealed class RevocationTests : IAsyncLifetime
{
    private readonly ServiceFixture _service = new();

    private string ListPath => Path.Combine(_service.Directory, "pki", "ca.crl");

    public ValueTask InitializeAsync()
    {
        _service.Configure = config =>
        {
            WriteList(DateTimeOffset.UtcNow.AddDays(1));
            ((Dictionary<string, object?>)config["tls"]!)["crl"] = "pki/ca.crl";
        };
        return _service.InitializeAsync();
    }

    public ValueTask DisposeAsync() => _service.DisposeAsync();

    [Fact]
    public async Task A_revoked_certificate_is_refused_at_once_also_where_it_is_connected()
    {
        using (var administrator = _service.ConnectAs("administrator"))
        {
            var grant = new CreateGrantRequest { RequestId = Guid.NewGuid().ToString(), Principal = "database", KeyPattern = "*", Permissions = { "read-alarms" } };
            await new Access.AccessClient(administrator).CreateGrantAsync(grant);
        }

        using var open = _service.ConnectAs("database");
        using var watch = new Protocol.V1.Alarms.AlarmsClient(open).WatchAlarms(new WatchAlarmsRequest());
        await watch.ResponseHeadersAsync;
        await new Access.AccessClient(open).WhoAmIAsync(new WhoAmIRequest());

        var begun = Stopwatch.GetTimestamp();
        WriteList(DateTimeOffset.UtcNow.AddDays(1), "database");
        await Assert.ThrowsAnyAsync<Exception>(async () =>
        {
            while (await watch.ResponseStream.MoveNext(CancellationToken.None))
            {
                // Alarms of before.
            }

            throw new InvalidOperationException("the stream ended");
        });
        TestContext.Current.TestOutputHelper?.WriteLine($"the open stream ended {Stopwatch.GetElapsedTime(begun).TotalMilliseconds:0} ms after the list was written");
        await _service.WaitForLogAsync("open connection closed: CN=KeyService development CA revoked serial number");

        using (var again = _service.ConnectAs("database"))
        {
            Assert.Equal(StatusCode.Unavailable, (await Assert.ThrowsAsync<RpcException>(async () => await new Access.AccessClient(again).WhoAmIAsync(new WhoAmIRequest()))).StatusCode);
        }

        using var other = _service.ConnectAs("backup");
        Assert.Equal("backup", (await new Access.AccessClient(other).WhoAmIAsync(new WhoAmIRequest())).Principal.Name);
    }

    [Fact]
    public async Task An_expired_list_refuses_everybody_and_alarms_until_a_new_one_is_there()
    {
        using var open = _service.ConnectAs("backup");
        await new Access.AccessClient(open).WhoAmIAsync(new WhoAmIRequest());
        WriteList(DateTimeOffset.UtcNow.AddSeconds(-1));
        await _service.WaitForLogAsync("The revocation list of CN=KeyService development CA ended");
        using (var refused = _service.ConnectAs("administrator"))
        {
            await Assert.ThrowsAsync<RpcException>(async () => await new Access.AccessClient(refused).WhoAmIAsync(new WhoAmIRequest()));
        }

        WriteList(DateTimeOffset.UtcNow.AddDays(1));
        await Until.TrueAsync(
            async () =>
            {
                using var channel = _service.ConnectAs("administrator");
                try
                {
                    var alarms = await new Protocol.V1.Alarms.AlarmsClient(channel).ListAlarmsAsync(new ListAlarmsRequest());
                    return alarms.Alarms.Any(alarm => alarm.Kind == "revocation-list-unusable" && alarm.ClearTime is not null);
                }
                catch (RpcException)
                {
                    return false;
                }
            },
            "the alarm to be over");
    }

    [Fact]
    public async Task A_file_that_is_no_list_leaves_the_one_before_in_use()
    {
        await File.WriteAllTextAsync(ListPath, "nothing");
        await _service.WaitForLogAsync("holds no revocation list");
        using var channel = _service.ConnectAs("backup");
        Assert.Equal("backup", (await new Access.AccessClient(channel).WhoAmIAsync(new WhoAmIRequest())).Principal.Name);
        WriteList(DateTimeOffset.UtcNow.AddDays(1), "backup");
        await Until.TrueAsync(
            async () =>
            {
                using var again = _service.ConnectAs("backup");
                try
                {
                    await new Access.AccessClient(again).WhoAmIAsync(new WhoAmIRequest());
                    return false;
                }
                catch (RpcException)
                {
                    return true;
                }
            },
            "the new list to count");
    }

    // As an authority publishes it: whole, and put in the place of the one before.
    private void WriteList(DateTimeOffset nextUpdate, params string[] revoked)
    {
        var pki = Path.Combine(_service.Directory, "pki");
        using var ca = X509Certificate2.CreateFromPemFile(Path.Combine(pki, "ca.crt"), Path.Combine(pki, "ca.key"));
        var builder = new CertificateRevocationListBuilder();
        foreach (var name in revoked)
        {
            using var certificate = X509CertificateLoader.LoadCertificateFromFile(Path.Combine(pki, $"{name}.crt"));
            builder.AddEntry(certificate);
        }

        var list = builder.Build(ca, BigInteger.One, nextUpdate, HashAlgorithmName.SHA256, null, nextUpdate.AddDays(-2));
        File.WriteAllText(ListPath + ".new", PemEncoding.WriteString("X509 CRL", list));
        File.Move(ListPath + ".new", ListPath, overwrite: true);
    }
}
