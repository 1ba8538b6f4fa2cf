using System.Security.Cryptography;
using KeyService.Crypto.Logs;
using KeyService.Server.Hosting;
using KeyService.Server.Witness;

namespace KeyService.Tests.Witness;

public sealed class WitnessConfigurationTests
{
    private static readonly string Key = $"{NoteVerifier.Create("keyservice/000102030405060708090a0b0c0d0e0f", NoteAlgorithm.Ecdsa, ECDsa.Create(ECCurve.NamedCurves.nistP256).ExportSubjectPublicKeyInfo())}";

    private static readonly string Good =
        $$"""{ "name": "witness.example/w1", "listen": "127.0.0.1:8553", "keyFile": "key", "stateDirectory": "state", "logs": [{ "key": "{{Key}}" }] }""";

    [Fact]
    public void An_installations_key_stands_for_its_directory_and_several_keys_for_one_log()
    {
        var configuration = WitnessConfiguration.Parse("/etc/keyservice/witness.json", Good);
        Assert.Equal(("/etc/keyservice/key", "/etc/keyservice/state"), (configuration.KeyFile, configuration.StateDirectory));
        var (origin, keys) = Assert.Single(configuration.Logs);
        Assert.Equal("keyservice/000102030405060708090a0b0c0d0e0f/directory", origin);
        Assert.Equal(origin, Assert.Single(keys).Name);

        configuration = WitnessConfiguration.Parse("/w.json", Good.Replace("}] }", $$"""}, { "key": "{{Key}}", "origin": "other/log" }, { "key": "{{Key}}" }] }""", StringComparison.Ordinal));
        Assert.Equal(2, configuration.Logs[origin].Count);
        Assert.Equal("other/log", Assert.Single(configuration.Logs["other/log"]).Name);
    }

    [Theory]
    [InlineData("\"witness.example/w1\"", "\"a witness\"", "\"name\" must be a name without spaces")]
    [InlineData("127.0.0.1:8553", "0.0.0.0:8553", "\"tls\" is missing")]
    [InlineData("127.0.0.1:8553", "here", "\"listen\" must be an address")]
    [InlineData("\"keyFile\": \"key\",", "", "\"keyFile\" is missing")]
    [InlineData("+", "-", "must be a log's verifier key")]
    [InlineData("\"keyFile\"", "\"keyfile\"", "did you mean \"keyFile\"")]
    public void What_breaks_a_rule_is_named(string text, string instead, string finding)
    {
        var found = Assert.Throws<ConfigurationException>(() => WitnessConfiguration.Parse("/w.json", Good.Replace(text, instead, StringComparison.Ordinal)));
        Assert.Contains(found.Findings, each => each.Contains(finding, StringComparison.Ordinal));
    }
}
