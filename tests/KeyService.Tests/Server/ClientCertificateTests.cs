using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using KeyService.Server.Access;
using KeyService.Server.Hosting;

namespace KeyService.Tests.Server;

public sealed class ClientCertificateTests : IDisposable
{
    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";
    private static readonly DateTimeOffset Now = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);
    private readonly X509Certificate2 ca = Issue("CN=CA", null, isCa: true, null, Now.AddDays(-10), Now.AddDays(100));

    [Fact]
    public void A_certificate_of_the_configured_CA_is_accepted() => Assert.Null(Refusal(Client(), ca));

    [Fact]
    public void One_of_another_CA_is_refused()
    {
        using var foreign = Issue("CN=CA", null, isCa: true, null, Now.AddDays(-10), Now.AddDays(100));
        Assert.NotNull(Refusal(Client(), foreign));
    }

    [Fact]
    public void An_expired_one_is_refused() =>
        Assert.Contains("NotTimeValid", Refusal(Client(to: Now.AddSeconds(-1)), ca), StringComparison.Ordinal);

    [Fact]
    public void One_that_is_not_valid_yet_is_refused() =>
        Assert.Contains("NotTimeValid", Refusal(Client(from: Now.AddMinutes(1)), ca), StringComparison.Ordinal);

    [Fact]
    public void One_for_servers_is_refused() =>
        Assert.Contains("NotValidForUsage", Refusal(Client(usage: ServerAuthentication), ca), StringComparison.Ordinal);

    [Fact]
    public void A_self_signed_one_is_refused()
    {
        using var self = Issue("CN=client", null, isCa: false, ClientAuthentication, Now.AddDays(-1), Now.AddDays(1));
        Assert.NotNull(Refusal(self, ca));
    }

    [Fact]
    public void One_below_an_intermediate_that_came_along_is_accepted()
    {
        using var intermediate = Issue("CN=Intermediate", ca, isCa: true, null, Now.AddDays(-5), Now.AddDays(50));
        using var client = Issue("CN=client", intermediate, isCa: false, ClientAuthentication, Now.AddDays(-1), Now.AddDays(30));
        Assert.Null(Refusal(client, ca, intermediate));
        Assert.NotNull(Refusal(client, ca));
    }

    [Fact]
    public void One_signed_by_another_clients_key_is_refused()
    {
        using var client = Client();
        using var grandchild = Issue("CN=grandchild", client, isCa: false, ClientAuthentication, Now.AddHours(-1), Now.AddHours(1));
        Assert.NotNull(Refusal(grandchild, ca, client));
    }

    [Fact]
    public void The_credentials_are_the_URIs_and_the_public_keys_hash()
    {
        using var client = Client();
        var hash = Convert.ToHexStringLower(SHA256.HashData(client.PublicKey.ExportSubjectPublicKeyInfo()));
        Assert.Equal(
            [
                new Credential(CredentialKind.CertificateSanUri, "keyservice:principal/one"),
                new Credential(CredentialKind.CertificateSanUri, "keyservice:principal/two"),
                new Credential(CredentialKind.CertificatePublicKeySha256, hash),
            ],
            CertificateCredentials.Of(client));
    }

    [Fact]
    public void A_certificate_without_names_has_its_public_key_only()
    {
        Assert.Equal(CredentialKind.CertificatePublicKeySha256, Assert.Single(CertificateCredentials.Of(ca)).Kind);
    }

    public void Dispose() => ca.Dispose();

    private static string? Refusal(X509Certificate2 certificate, X509Certificate2 root, params X509Certificate2[] sent)
    {
        using var chain = new X509Chain { ChainPolicy = ClientCertificates.Policy([root], Now) };
        chain.ChainPolicy.ExtraStore.AddRange(sent);
        return chain.Build(certificate) ? null : ClientCertificates.Explain(chain);
    }

    private X509Certificate2 Client(DateTimeOffset? from = null, DateTimeOffset? to = null, string usage = ClientAuthentication) =>
        Issue("CN=client", ca, isCa: false, usage, from ?? Now.AddDays(-1), to ?? Now.AddDays(30), "keyservice:principal/one",
            "keyservice:principal/two");

    private static X509Certificate2 Issue(
        string name, X509Certificate2? issuer, bool isCa, string? usage, DateTimeOffset from, DateTimeOffset to, params string[] uris)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(isCa, false, 0, true));
        if (usage is not null)
            request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(usage)], false));
        if (uris.Length > 0)
        {
            var names = new SubjectAlternativeNameBuilder();
            names.AddDnsName("client.example");
            foreach (var uri in uris)
                names.AddUri(new Uri(uri));
            request.CertificateExtensions.Add(names.Build());
        }
        if (issuer is null)
            return request.CreateSelfSigned(from, to);
        using var issuerKey = issuer.GetECDsaPrivateKey()!;
        using var signed = request.Create(
            issuer.SubjectName, X509SignatureGenerator.CreateForECDsa(issuerKey), from, to, RandomNumberGenerator.GetBytes(16));
        return signed.CopyWithPrivateKey(key);
    }
}
