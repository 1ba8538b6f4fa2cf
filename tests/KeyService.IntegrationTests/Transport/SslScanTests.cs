using System.Xml.Linq;

namespace KeyService.IntegrationTests.Transport;

/// <summary>What sslscan, which is not ours, finds the server to speak.</summary>
public sealed class SslScanTests(ServiceFixture service) : IClassFixture<ServiceFixture>
{
    [Fact]
    public async Task Only_TLS_1_2_and_1_3_with_forward_secrecy_and_AEADs_are_spoken()
    {
        var sslscan = Infrastructure.RequireTool("sslscan", "sslscan");
        var report = (await Command.RunAsync(sslscan, ["--no-colour", "--xml=-", $"127.0.0.1:{service.Port}"])).ExpectExit(0).Text;
        var test = XDocument.Parse(report[report.IndexOf("<?xml", StringComparison.Ordinal)..]).Descendants("ssltest").Single();

        Assert.Equal(
            ["ssl 2 0", "ssl 3 0", "tls 1.0 0", "tls 1.1 0", "tls 1.2 1", "tls 1.3 1"],
            test.Elements("protocol").Select(each => $"{(string?)each.Attribute("type")} {(string?)each.Attribute("version")} {(string?)each.Attribute("enabled")}").Order());
        var ciphers = test.Elements("cipher").Select(each => $"{(string?)each.Attribute("sslversion")} {(string?)each.Attribute("cipher")}").Order().ToList();
        // The development PKI has P-256 keys, so the suites with RSA certificates have nothing to be offered for.
        Assert.Equal(
            [
                "TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256", "TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384", "TLSv1.2 ECDHE-ECDSA-CHACHA20-POLY1305",
                "TLSv1.3 TLS_AES_128_GCM_SHA256", "TLSv1.3 TLS_AES_256_GCM_SHA384", "TLSv1.3 TLS_CHACHA20_POLY1305_SHA256",
            ],
            ciphers);
        Assert.All(test.Elements("compression"), each => Assert.Equal("0", (string?)each.Attribute("supported")));
        Assert.All(test.Elements("heartbleed"), each => Assert.Equal("0", (string?)each.Attribute("vulnerable")));
        Assert.All(test.Elements("renegotiation"), each => Assert.NotEqual(("1", "0"), ((string?)each.Attribute("supported"), (string?)each.Attribute("secure"))));
    }
}
