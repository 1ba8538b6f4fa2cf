using KeyService.Client;

namespace KeyService.Tests.Cli;

public sealed class ClientProfileTests : IDisposable
{
    private readonly string directory = Directory.CreateTempSubdirectory("profile-test-").FullName;

    public void Dispose() => Directory.Delete(directory, recursive: true);

    [Fact]
    public void Paths_of_a_profile_are_relative_to_its_file()
    {
        var profile = ClientProfile.Load(Write("""
            { "endpoint": "https://localhost:8443", "ca": "pki/ca.crt", "certificate": "/abs/me.crt", "privateKey": "me.key", "accessTokenFile": "token", "serverConfig": "server.json" }
            """));
        Assert.Equal("https://localhost:8443", profile.Endpoint);
        Assert.Equal(Path.Combine(directory, "pki/ca.crt"), profile.CaPath);
        Assert.Equal("/abs/me.crt", profile.CertificatePath);
        Assert.Equal(Path.Combine(directory, "me.key"), profile.ToOptions().ClientKeyPath);
        Assert.Equal(Path.Combine(directory, "token"), profile.ToOptions().AccessTokenPath);
        Assert.Equal(Path.Combine(directory, "server.json"), profile.ServerConfigPath);
    }

    [Fact]
    public void The_path_of_a_Unix_socket_is_relative_to_the_file_as_well() =>
        Assert.Equal($"unix:{directory}/keyservice.sock", ClientProfile.Load(Write("""{ "endpoint": "unix:keyservice.sock" }""")).Endpoint);

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{ "endpoint": " " }""")]
    [InlineData("""{ "endpoint": "https://localhost:1", "pin": "1234" }""")]
    [InlineData("""{ "endpoint": 7 }""")]
    [InlineData("""{ "endpoint": "https://localhost:1", "endpoint": "https://localhost:2" }""")]
    [InlineData("""{ "endpoint": "https://localhost:1" } {}""")]
    [InlineData("""{ "endpoint": "https://localhost:1" """)]
    [InlineData("""{ "endpoint": {} }""")]
    public void A_profile_that_is_not_one_is_refused_with_its_name_and_without_its_content(string content)
    {
        var path = Write(content);
        var e = Assert.Throws<KeyServiceException>(() => ClientProfile.Load(path));
        Assert.Equal(ClientReason.Configuration, e.Reason);
        Assert.Contains(path, e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("1234", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_profile_that_is_missing_is_an_error_of_configuration() =>
        Assert.Equal(ClientReason.Configuration, Assert.Throws<KeyServiceException>(() => ClientProfile.Load(Path.Combine(directory, "none.json"))).Reason);

    [Theory]
    [InlineData("http://localhost:8443")]
    [InlineData("localhost:8443")]
    [InlineData("https://localhost:8443/path")]
    [InlineData("ftp://localhost")]
    public void Nothing_but_https_and_Unix_sockets_is_spoken(string endpoint)
    {
        var e = Assert.Throws<KeyServiceException>(() => KeyServiceClient.Connect(new ClientOptions { Endpoint = endpoint }));
        Assert.Equal(ClientReason.Configuration, e.Reason);
    }

    [Fact]
    public void Https_without_a_certificate_is_refused_before_anything_is_sent()
    {
        var e = Assert.Throws<KeyServiceException>(() => KeyServiceClient.Connect(new ClientOptions { Endpoint = "https://localhost:8443" }));
        Assert.Equal(ClientReason.Configuration, e.Reason);
        Assert.Contains("CA", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_no_PEM_is_named()
    {
        var path = Write("not a certificate");
        var e = Assert.Throws<KeyServiceException>(() => KeyServiceClient.Connect(new ClientOptions { Endpoint = "https://localhost:8443", CaPath = path }));
        Assert.Contains(path, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_socket_nobody_listens_on_is_unreachable_after_the_last_try()
    {
        using var client = KeyServiceClient.Connect(new ClientOptions { Endpoint = $"unix:{directory}/none.sock", Attempts = 2 });
        var e = await Assert.ThrowsAsync<KeyServiceException>(() => client.Access.WhoAmIAsync());
        Assert.Equal(ClientReason.Unreachable, e.Reason);
        Assert.Contains("none.sock", e.Message, StringComparison.Ordinal);
    }

    private string Write(string content)
    {
        var path = Path.Combine(directory, "profile.json");
        File.WriteAllText(path, content);
        return path;
    }
}
