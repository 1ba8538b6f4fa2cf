using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using KeyService.Server.Hosting;
using Microsoft.Extensions.Logging.Abstractions;

namespace KeyService.Tests.Server;

public sealed class TlsFilesTests : IDisposable
{
    private readonly string directory = Directory.CreateTempSubdirectory("keyservice-tls-").FullName;
    private readonly MovedTime time = new();

    [Fact]
    public void A_renewed_certificate_is_taken_over()
    {
        var files = Written("one");
        var before = files.Current;
        Write("two");
        time.Advance();
        Assert.NotEqual(before.Certificate.Thumbprint, files.Current.Certificate.Thumbprint);
        Assert.Equal(("CN=two", null), (files.Current.Certificate.Subject, files.Rejected));
    }

    [Theory]
    [InlineData("server.crt")]
    [InlineData("server.key")]
    [InlineData("ca.crt")]
    public void A_file_that_is_missing_in_the_middle_of_a_renewal_leaves_the_ones_before_in_use(string missing)
    {
        var files = Written("one");
        File.Delete(Path.Combine(directory, missing));
        time.Advance();
        Assert.Equal("CN=one", files.Current.Certificate.Subject);
        Assert.Contains(missing, files.Rejected, StringComparison.Ordinal);
        Write("two");
        time.Advance();
        Assert.Equal(("CN=two", null), (files.Current.Certificate.Subject, files.Rejected));
    }

    [Fact]
    public void A_key_of_another_certificate_leaves_the_ones_before_in_use()
    {
        var files = Written("one");
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        File.WriteAllText(Path.Combine(directory, "server.key"), other.ExportPkcs8PrivateKeyPem() + "\n");
        time.Advance();
        Assert.Equal("CN=one", files.Current.Certificate.Subject);
        Assert.NotNull(files.Rejected);
    }

    [Fact]
    public void Files_that_do_not_fit_stop_a_start()
    {
        Write("one");
        File.Delete(Path.Combine(directory, "ca.crt"));
        Assert.Throws<TlsMaterialException>(() => Open());
    }

    [Fact]
    public void A_certificate_that_lives_longer_than_12_months_stops_a_start_in_production_and_a_renewal_by_one_is_not_taken()
    {
        Write("long");
        Assert.Contains("at most 366", Assert.Throws<TlsMaterialException>(() => Open(ServerProfile.Production)).Message, StringComparison.Ordinal);
        Write("year", TimeSpan.FromDays(365));
        var files = Open(ServerProfile.Production);
        Write("longer", TimeSpan.FromDays(400));
        time.Advance();
        Assert.Equal("CN=year", files.Current.Certificate.Subject);
        Assert.Contains("lives 400 days", files.Rejected, StringComparison.Ordinal);
    }

    public void Dispose() => Directory.Delete(directory, recursive: true);

    private TlsFiles Written(string name)
    {
        Write(name);
        return Open();
    }

    private TlsFiles Open(ServerProfile profile = ServerProfile.Development) => new(
        new TlsConfiguration(Path.Combine(directory, "server.crt"), Path.Combine(directory, "server.key"), Path.Combine(directory, "ca.crt")),
        profile,
        time,
        new ListenerLog(NullLogger<ListenerLog>.Instance));

    private void Write(string name, TimeSpan? life = null)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using var certificate = life is { } length
            ? request.CreateSelfSigned(time.GetUtcNow().AddDays(-1), time.GetUtcNow().AddDays(-1) + length)
            : request.CreateSelfSigned(DateTimeOffset.UnixEpoch.AddYears(50), DateTimeOffset.UnixEpoch.AddYears(150));
        // A longer name makes a longer file: the change is seen even where two writes share one tick of the clock.
        File.WriteAllText(Path.Combine(directory, "server.crt"), certificate.ExportCertificatePem() + new string('\n', name.Length + name[0]));
        File.WriteAllText(Path.Combine(directory, "server.key"), key.ExportPkcs8PrivateKeyPem());
        File.WriteAllText(Path.Combine(directory, "ca.crt"), certificate.ExportCertificatePem());
    }

    /// <summary>A clock whose timestamps a test moves.</summary>
    private sealed class MovedTime : TimeProvider
    {
        private long timestamp;

        public void Advance() => timestamp += 2 * TimestampFrequency;

        public override long GetTimestamp() => timestamp;
    }
}
