using System.Net;
using KeyService.Server.Access;
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
          "alarms": { "repeatSeconds": 3600, "webhook": { "url": "https://alarms.example.org/hook?team=1", "secretFile": "secret", "ca": "pki/ca.crt" } },
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
        Assert.Equal(
            new AlarmsConfiguration(
                new WebhookConfiguration(new Uri("https://alarms.example.org/hook?team=1"), "/srv/ks/secret", "/srv/ks/pki/ca.crt"), TimeSpan.FromHours(1)),
            configuration.Alarms);
    }

    [Fact]
    public void Emergency_access_revocation_lists_and_second_factors_are_read()
    {
        var configuration = ConfigurationFile.Parse("/srv/ks/server.json", Good
            .Replace("\"/etc/ca.crt\"", "\"/etc/ca.crt\", \"crl\": [\"pki/a.crl\", \"/etc/b.crl\"], \"expiredCrl\": \"accept\"", StringComparison.Ordinal)
            .Replace(
                "\"development\",", "\"development\", \"people\": { \"secondFactor\": \"required\" }, \"breakGlass\": { \"permissions\": [\"read-key\", \"decrypt\"], \"keys\": \"ehr/*\", \"minutes\": 15 },",
                StringComparison.Ordinal));
        Assert.Equal(["/srv/ks/pki/a.crl", "/etc/b.crl"], configuration.Tls!.CrlPaths);
        Assert.False(configuration.Tls.RefusesExpiredCrl);
        Assert.True(configuration.People.SecondFactorRequired);
        Assert.Equal([Permission.Decrypt, Permission.ReadKey], configuration.BreakGlass.Permissions);
        Assert.Equal(("ehr/*", 15), (configuration.BreakGlass.Keys.Text, configuration.BreakGlass.Length.TotalMinutes));
        var usual = ConfigurationFile.Parse("/srv/ks/server.json", Good);
        Assert.Equal((true, false, 60, "*"), (usual.Tls!.RefusesExpiredCrl, usual.People.SecondFactorRequired, usual.BreakGlass.Length.TotalMinutes, usual.BreakGlass.Keys.Text));
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
    [InlineData("\"development\"", "\"production\"", "is not checked as a whole")]
    [InlineData("\"development\"", "\"staging\"", "\"profile\" must be one of \"development\", \"production\"")]
    [InlineData("\"profile\": \"development\",", "\"profile\": \"development\", \"profile\": \"development\",",
        "\"profile\" stands there twice")]
    [InlineData("\"repeatSeconds\": 3600", "\"repeatSeconds\": 59", "\"alarms.repeatSeconds\" must be a whole number from 60 to 604800")]
    [InlineData("https://alarms.example.org", "http://alarms.example.org", "\"alarms.webhook.url\" must be a URL that begins with https://")]
    [InlineData("https://alarms", "https://user:pass@alarms", "without a user name")]
    [InlineData("https://alarms.example.org", "alarms.example.org", "\"alarms.webhook.url\" must be a URL")]
    [InlineData("\"secretFile\": \"secret\",", "", "\"alarms.webhook.secretFile\" is missing")]
    [InlineData("\"development\",", "\"development\", \"breakGlass\": { \"permissions\": [\"decrypt\", \"export-backup\"] },", "\"breakGlass.permissions\" must be of generate-data-key")]
    [InlineData("\"development\",", "\"development\", \"breakGlass\": { \"permissions\": \"decrypt\" },", "\"breakGlass.permissions\" must be a list of texts")]
    [InlineData("\"development\",", "\"development\", \"breakGlass\": { \"keys\": \"ehr*\" },", "\"breakGlass.keys\" must be a key's name")]
    [InlineData("\"development\",", "\"development\", \"breakGlass\": { \"minutes\": 61 },", "\"breakGlass.minutes\" must be a whole number from 1 to 60")]
    [InlineData("\"development\",", "\"development\", \"people\": { \"secondFactor\": \"yes\" },", "\"people.secondFactor\" must be one of \"required\", \"optional\"")]
    [InlineData("\"/etc/ca.crt\"", "\"/etc/ca.crt\", \"crl\": [1]", "\"tls.crl\" must be a path or a list of paths")]
    [InlineData("\"/etc/ca.crt\"", "\"/etc/ca.crt\", \"expiredCrl\": \"ignore\"", "\"tls.expiredCrl\" must be one of \"refuse\", \"accept\"")]
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

    [Theory]
    [InlineData("http://127.0.0.1:8080/")]
    [InlineData("http://localhost/hook")]
    [InlineData("http://[::1]:80/")]
    public void A_webhook_without_TLS_is_taken_on_loopback_only(string url) => Assert.Equal(
        new Uri(url),
        ConfigurationFile.Parse("/srv/ks/server.json", Good.Replace("https://alarms.example.org/hook?team=1", url, StringComparison.Ordinal)).Alarms.Webhook?.Url);

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
