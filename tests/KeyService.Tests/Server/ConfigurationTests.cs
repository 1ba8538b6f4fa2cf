using System.Net;
using KeyService.Server.Hosting;
using KeyService.Server.Storage.Postgres;

namespace KeyService.Tests.Server;

public sealed class ConfigurationTests
{
    private const string Good = """
        {
          // Comments are allowed.
          "profile": "development",
          "dataDirectory": "data",
          "listen": { "tcp": "127.0.0.1:8443", "unixSocket": "run/keyservice.sock" },
          "tls": { "certificate": "pki/server.crt", "privateKey": "pki/server.key", "clientCa": "/etc/ca.crt" },
          "hsm": { "module": "/usr/lib/softhsm/libsofthsm2.so", "tokenLabel": "one", "tokenSerial": null, "pinFile": "pin",
                   "maxConcurrency": 4 },
          "store": { "sqlite": "keyservice.db" },
          "telemetry": { "otlpEndpoint": null },
        }
        """;

    [Fact]
    public void Relative_paths_count_from_the_file()
    {
        var configuration = ConfigurationFile.Parse("/srv/ks/server.json", Good);
        Assert.Equal(IPEndPoint.Parse("127.0.0.1:8443"), configuration.Listen.Tcp);
        Assert.Equal("/srv/ks/run/keyservice.sock", configuration.Listen.UnixSocket);
        Assert.Equal(new TlsConfiguration("/srv/ks/pki/server.crt", "/srv/ks/pki/server.key", "/etc/ca.crt"), configuration.Tls);
        Assert.Equal("/srv/ks/keyservice.db", configuration.SqlitePath);
        Assert.Equal(("/srv/ks/pin", 4), (configuration.Hsm.PinFile, configuration.Hsm.MaxConcurrency));
        Assert.Null(configuration.Telemetry.OtlpEndpoint);
    }

    [Theory]
    [InlineData("\"listen\"", "\"lissten\"", "\"lissten\" is not a key of this configuration: did you mean \"listen\"?")]
    [InlineData("\"pinFile\"", "\"pinfile\"", "\"hsm.pinfile\" is not a key of this configuration: did you mean \"hsm.pinFile\"?")]
    [InlineData("\"otlpEndpoint\": null", "\"xyzzy\": 1",
        "\"telemetry.xyzzy\" is not a key of this configuration: known are otlpEndpoint, otlpProtocol")]
    [InlineData("127.0.0.1:8443", "localhost", "\"listen.tcp\" must be an address and a port")]
    [InlineData("127.0.0.1:8443", "http://127.0.0.1:8443", "\"listen.tcp\" must be an address and a port")]
    [InlineData("\"maxConcurrency\": 4", "\"maxConcurrency\": 0", "\"hsm.maxConcurrency\" must be a whole number from 1 to 256")]
    [InlineData("\"maxConcurrency\": 4", "\"maxConcurrency\": \"4\"", "\"hsm.maxConcurrency\" must be a whole number from 1 to 256")]
    [InlineData("\"tokenLabel\": \"one\",", "", "\"hsm.tokenLabel\" is missing")]
    [InlineData("\"pinFile\": \"pin\",", "", "\"hsm.pinFile\" or \"pinDescriptor\": give one of the two")]
    [InlineData("\"sqlite\": \"keyservice.db\"", "", "\"store.sqlite\" or \"postgres\": give one of the two")]
    [InlineData("\"sqlite\": \"keyservice.db\"", "\"sqlite\": \"a\", \"postgres\": { \"host\": \"/run\", \"database\": \"k\", \"user\": \"k\" }",
        "\"store.sqlite\" or \"postgres\": give one of the two")]
    [InlineData("\"sqlite\": \"keyservice.db\"", "\"postgres\": { \"host\": \"db.example\", \"database\": \"k\" }", "\"store.postgres.user\" is missing")]
    [InlineData("\"sqlite\": \"keyservice.db\"", "\"postgres\": { \"host\": \"db.example\", \"database\": \"k\", \"user\": \"k\", \"password\": \"x\" }",
        "\"store.postgres.password\" is not a key of this configuration: did you mean \"store.postgres.passwordFile\"?")]
    [InlineData("\"sqlite\": \"keyservice.db\"", "\"postgres\": { \"host\": \"db.example\", \"database\": \"k\", \"user\": \"k\", \"sslMode\": \"disable\" }",
        "\"store.postgres.sslMode\" can be \"disable\" only for a Unix socket or the loopback address")]
    [InlineData("\"sqlite\": \"keyservice.db\"",
        "\"postgres\": { \"host\": \"127.0.0.1,db.example\", \"database\": \"k\", \"user\": \"k\", \"sslMode\": \"disable\" }",
        "\"store.postgres.sslMode\" can be \"disable\" only for a Unix socket or the loopback address")]
    [InlineData("\"sqlite\": \"keyservice.db\"",
        "\"postgres\": { \"host\": \"db.example\", \"database\": \"k\", \"user\": \"k\", \"clientKey\": \"k.pem\" }", "belong together")]
    [InlineData("\"development\"", "\"production\"", "needs PostgreSQL")]
    [InlineData("\"development\"", "\"staging\"", "\"profile\" must be one of \"development\", \"production\"")]
    [InlineData("\"profile\": \"development\",", "\"profile\": \"development\", \"profile\": \"development\",",
        "\"profile\" stands there twice")]
    [InlineData("\"tokenLabel\": \"one\"", "\"tokenLabel\": \"\"", "\"hsm.tokenLabel\" must be a text that is not empty")]
    public void What_is_wrong_is_named(string good, string bad, string finding)
    {
        Assert.Contains(good, Good, StringComparison.Ordinal);
        var exception = Assert.Throws<ConfigurationException>(() =>
            ConfigurationFile.Parse("/srv/ks/server.json", Good.Replace(good, bad, StringComparison.Ordinal)));
        Assert.Contains(exception.Findings, found => found.Contains(finding, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("/run/postgresql", PostgresTls.None)]
    [InlineData("localhost", PostgresTls.None)]
    [InlineData("127.0.0.1:5433,[::1]:5432,::1", PostgresTls.None)]
    [InlineData("db.example", PostgresTls.VerifyFull)]
    [InlineData("10.0.0.7", PostgresTls.VerifyFull)]
    [InlineData("db1.example,localhost", PostgresTls.VerifyFull)]
    public void PostgreSQL_is_reached_by_verified_TLS_unless_it_is_on_this_host(string host, object tls)
    {
        var configuration = ConfigurationFile.Parse("/srv/ks/server.json", Good.Replace(
            "\"sqlite\": \"keyservice.db\"",
            $"\"postgres\": {{ \"host\": \"{host}\", \"database\": \"keys\", \"user\": \"keyservice\", \"passwordFile\": \"db-password\" }}", StringComparison.Ordinal));
        Assert.Null(configuration.SqlitePath);
        Assert.Equal((host, 5432, "keys", "keyservice"), (configuration.Postgres!.Host, configuration.Postgres.Port, configuration.Postgres.Database, configuration.Postgres.User));
        Assert.Equal("/srv/ks/db-password", configuration.Postgres.PasswordFile);
        Assert.Equal((PostgresTls)tls, configuration.Postgres.Tls);
    }

    [Fact]
    public void TCP_without_TLS_is_refused()
    {
        var exception = Assert.Throws<ConfigurationException>(() => ConfigurationFile.Parse("/srv/ks/server.json", """
            { "listen": { "tcp": "127.0.0.1:1" }, "hsm": { "module": "m", "tokenLabel": "t", "pinFile": "p" }, "store": { "sqlite": "s" } }
            """));
        Assert.Equal(["\"tls\" is missing: TCP is always mutual TLS."], exception.Findings);
    }

    [Fact]
    public void A_server_that_listens_nowhere_is_refused()
    {
        var exception = Assert.Throws<ConfigurationException>(() => ConfigurationFile.Parse("/srv/ks/server.json", """
            { "hsm": { "module": "m", "tokenLabel": "t", "pinFile": "p" }, "store": { "sqlite": "s" } }
            """));
        Assert.Contains("nobody could call", Assert.Single(exception.Findings), StringComparison.Ordinal);
    }

    [Fact]
    public void All_findings_are_shown_at_once()
    {
        var exception = Assert.Throws<ConfigurationException>(() =>
            ConfigurationFile.Parse("/srv/ks/server.json", "{ \"hms\": {}, \"listen\": [] }"));
        Assert.True(exception.Findings.Count >= 5, exception.Message);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("null")]
    [InlineData("[]")]
    public void What_is_no_JSON_object_is_refused(string text) =>
        Assert.Throws<ConfigurationException>(() => ConfigurationFile.Parse("/srv/ks/server.json", text));

    [Fact]
    public void A_file_that_is_not_there_is_refused_with_its_name() =>
        Assert.Contains("/nowhere/server.json",
            Assert.Throws<ConfigurationException>(() => ConfigurationFile.Load("/nowhere/server.json")).Message, StringComparison.Ordinal);

    [Fact]
    public void Every_key_stands_in_the_specification()
    {
        var text = File.ReadAllText(Path.Combine(RepositoryRoot.Path, "docs/spec/configuration.md"));
        foreach (var key in ConfigurationFile.Keys)
            Assert.Contains($"| `{key}` |", text, StringComparison.Ordinal);
    }
}
