using KeyService.Server.Audit.Sinks;
using KeyService.Server.Hosting;

namespace KeyService.Tests.Server;

public sealed class SinksConfigurationTests
{
    private const string Good = """
        {
          "directories": [ { "name": "worm", "directory": "copies", "fileMiB": 8, "fileSeconds": 60 } ],
          "syslog": [ { "name": "siem", "host": "siem.example", "port": 16514, "ca": "ca.pem", "certificate": "c.pem", "privateKey": "c.key", "confirmation": "tcp-end" },
                      { "name": "plain", "host": "::1", "serverName": "logs.example", "enterpriseNumber": 7 } ],
          "otlp": [ { "name": "collector", "endpoint": "https://collector.example:4318" } ],
          "alarmSeconds": 60
        }
        """;

    [Fact]
    public void Every_sink_is_read()
    {
        var sinks = Parse(Good);
        Assert.Equal(TimeSpan.FromMinutes(1), sinks.AlarmAfter);
        Assert.Equal(
            [
                new DirectorySinkConfiguration("worm", "/srv/ks/copies", 8, TimeSpan.FromMinutes(1)),
                new SyslogSinkConfiguration(
                    "siem", "siem.example", 16514, "siem.example", new SinkTlsConfiguration("/srv/ks/ca.pem", "/srv/ks/c.pem", "/srv/ks/c.key"), 32473,
                    SyslogConfirmation.TcpEnd),
                new SyslogSinkConfiguration("plain", "::1", 6514, "logs.example", new SinkTlsConfiguration(null, null, null), 7, SyslogConfirmation.CloseNotify),
                new OtlpSinkConfiguration("collector", new Uri("https://collector.example:4318"), new SinkTlsConfiguration(null, null, null)),
            ],
            sinks.All);
        Assert.Equal(["/srv/ks/copies", "siem.example:16514", "[::1]:6514", "https://collector.example:4318/"], sinks.All.Select(sink => sink.Target));
    }

    [Fact]
    public void None_are_there_by_default() => Assert.Empty(Parse("{}").All);

    [Theory]
    [InlineData("\"name\": \"worm\"", "\"name\": \"WORM\"", "\"sinks.directories[0].name\" must be 1 to 64 characters of a-z, 0-9 and -")]
    [InlineData("\"name\": \"worm\"", "\"name\": \"siem\"", "must have sinks with a name of their own each")]
    [InlineData("\"directory\": \"copies\",", "", "\"sinks.directories[0].directory\" is missing")]
    [InlineData("\"host\": \"siem.example\",", "", "\"sinks.syslog[0].host\" is missing")]
    [InlineData("\"certificate\": \"c.pem\",", "", "\"sinks.syslog[0].certificate\" and \"privateKey\" belong together")]
    [InlineData("tcp-end", "hope", "\"sinks.syslog[0].confirmation\" must be one of \"close-notify\", \"tcp-end\"")]
    [InlineData("16514", "0", "\"sinks.syslog[0].port\" must be a whole number")]
    [InlineData("https://collector", "http://collector", "\"sinks.otlp[0].endpoint\" must be a URL that begins with https://")]
    [InlineData("https://collector", "https://user@collector", "without a user name")]
    [InlineData("\"alarmSeconds\"", "\"alarmsSeconds\"", "\"sinks.alarmsSeconds\" is not a key of this configuration: did you mean \"sinks.alarmSeconds\"?")]
    public void What_is_wrong_is_named(string good, string bad, string finding)
    {
        Assert.Contains(good, Good, StringComparison.Ordinal);
        var exception = Assert.Throws<ConfigurationException>(() => Parse(Good.Replace(good, bad, StringComparison.Ordinal)));
        Assert.Contains(exception.Findings, found => found.Contains(finding, StringComparison.Ordinal));
    }

    private static SinksConfiguration Parse(string sinks) => ConfigurationFile.Parse("/srv/ks/server.json", $$"""
        {
          "listen": { "unixSocket": "run/keyservice.sock" },
          "hsm": { "module": "/usr/lib/softhsm/libsofthsm2.so", "tokenLabel": "one", "pinFile": "pin" },
          "store": { "sqlite": "keyservice.db" },
          "sinks": {{sinks}}
        }
        """).Sinks;
}
