using KeyService.Client;
using KeyService.IntegrationTests.Service;

namespace KeyService.IntegrationTests.Sdk;

/// <summary>
/// A certificate that is renewed in its file takes effect without a new client, over real mutual TLS. The "renewal" is another principal's
/// certificate, so that the service says which one it saw.
/// </summary>
[Collection(RunningService.Name)]
public sealed class CertificateRenewalTests(ServiceFixture service) : IDisposable
{
    private readonly string directory = Directory.CreateTempSubdirectory("keyservice-renewal-").FullName;
    private readonly FakeTime time = new();

    private string Certificate => Path.Combine(directory, "client.crt");

    private string Key => Path.Combine(directory, "client.key");

    [Fact]
    public async Task New_calls_go_with_the_new_certificate_and_streams_under_way_go_on()
    {
        using var metrics = new CountedMetrics();
        Put(service.Database.CertificatePath, Certificate);
        Put(service.Database.KeyPath, Key);
        using var client = Connect();
        Assert.Equal("database", await WhoAsync(client));
        using var end = new CancellationTokenSource();
        var stream = client.DataKeys.WatchLeasesAsync(
            [("00000000000000ff", Crypto.EncryptionContext.Empty)], TimeSpan.FromMilliseconds(200), end.Token).GetAsyncEnumerator();
        Assert.True(await stream.MoveNextAsync());

        // Half of the renewal: the certificate stands there, its key does not yet.
        Put(service.Backup.CertificatePath, Certificate);
        time.Pass(TimeSpan.FromSeconds(2));
        Assert.Equal("database", await WhoAsync(client));
        Assert.Equal(0, metrics["certificates.reloaded"]);
        Assert.InRange(metrics["certificates.refused"], 1, double.MaxValue);

        // The other half, with the times of the old files.
        Put(service.Backup.KeyPath, Key);
        File.SetLastWriteTimeUtc(Key, DateTime.UnixEpoch);
        File.SetLastWriteTimeUtc(Certificate, DateTime.UnixEpoch);
        time.Pass(TimeSpan.FromSeconds(2));
        Assert.Equal("backup", await WhoAsync(client));
        Assert.Equal("backup", await WhoAsync(client));
        Assert.Equal(1, metrics["certificates.reloaded"]);

        Assert.True(await stream.MoveNextAsync());
        await end.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            while (await stream.MoveNextAsync())
            {
            }
        });
        await stream.DisposeAsync();
    }

    [Fact]
    public async Task A_file_that_vanishes_or_holds_rubbish_changes_nothing()
    {
        Put(service.Database.CertificatePath, Certificate);
        Put(service.Database.KeyPath, Key);
        using var client = Connect();
        foreach (var spoil in new Action[] { () => File.Delete(Certificate), () => File.WriteAllText(Certificate, "rubbish"), () => File.Delete(Key) })
        {
            spoil();
            time.Pass(TimeSpan.FromSeconds(2));
            Assert.Equal("database", await WhoAsync(client));
        }
    }

    public void Dispose() => Directory.Delete(directory, recursive: true);

    // As renewal programs do: a new file in the place of the old one, at once.
    private static void Put(string from, string to)
    {
        File.Copy(from, to + ".new", overwrite: true);
        File.Move(to + ".new", to, overwrite: true);
    }

    private KeyServiceClient Connect() => KeyServiceClient.Connect(new ClientOptions
    {
        Endpoint = service.Endpoint.GetLeftPart(UriPartial.Authority),
        CaPath = service.CaPath,
        ClientCertificatePath = Certificate,
        ClientKeyPath = Key,
        TimeProvider = time,
    });

    private static async Task<string> WhoAsync(KeyServiceClient client) => (await client.Access.WhoAmIAsync()).Principal.Name;
}
