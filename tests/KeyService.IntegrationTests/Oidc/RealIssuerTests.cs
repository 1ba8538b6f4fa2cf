using System.Text;
using System.Text.Json;

namespace KeyService.IntegrationTests.Oidc;

/// <summary>Access tokens of a real issuer, through the real command over real mutual TLS.</summary>
public sealed class RealIssuerTests : IAsyncLifetime
{
    private readonly ServiceFixture _service = new();
    private RealIssuer _issuer = null!;
    private ClientIdentity _machine = null!;

    public async ValueTask InitializeAsync()
    {
        Infrastructure.RequireSoftHsm();
        Infrastructure.RequireTool("openssl", "openssl");
        _issuer = await RealIssuer.StartAsync();
        _service.Configure = config => config["oidc"] = new Dictionary<string, object?> { ["issuer"] = _issuer.Url, ["audience"] = RealIssuer.Audience };
        await _service.ProvisionAsync();
        await _service.StartAsync();
        await _service.RegisterClientsAsync();
        _machine = await _service.IssueClientAsync("machine");
        foreach (var client in new[] { "job-es256", "job-rs256", "job-ps256" })
        {
            (await _service.RunCliAsync(_service.Administrator, "principal", "create", client, "--oidc-issuer", _issuer.Url, "--oidc-subject", client)).ExpectExit(0);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _issuer.DisposeAsync();
        await _service.DisposeAsync();
    }

    [Fact]
    public async Task A_token_of_the_issuer_names_its_principal_and_nothing_else_does()
    {
        foreach (var client in new[] { "job-es256", "job-rs256", "job-ps256" })
        {
            var who = (await AsAsync(_machine, await _issuer.TokenAsync(client), "whoami", "--json")).ExpectExit(0);
            Assert.Contains($"\"{client}\"", who.Text, StringComparison.Ordinal);
        }

        var token = await _issuer.TokenAsync("job-es256");
        // A machine's certificate alone is nobody; with another's token it is refused; a registered certificate and another's token are two people.
        Refused(await _service.RunCliAsync(_machine, "whoami"), "No registered principal");
        Refused(await AsAsync(_machine, await _issuer.TokenAsync("job-es256", "https://elsewhere.test"), "whoami"), "The access token is not accepted");
        Refused(await AsAsync(_machine, token[..^4] + "AAAA", "whoami"), "The access token is not accepted");
        Refused(await AsAsync(_service.Database, token, "whoami"), "No registered principal");
        Refused(await AsAsync(_service.Database, "e30.e30.e30", "whoami"), "The access token is not accepted");
        // A good token of somebody whom nobody registered, over a certificate that somebody did.
        Refused(await AsAsync(_service.Database, await _issuer.TokenAsync("job-unregistered"), "whoami"), "No registered principal");
        (await _service.RunCliAsync(_service.Administrator, "principal", "disable", "job-es256")).ExpectExit(0);
        Refused(await AsAsync(_machine, token, "whoami"), "No registered principal");

        var found = (await _service.RunCliAsync(_service.Administrator, "audit", "search", "--event", "authentication-refused", "--json")).ExpectExit(0).Text;
        var records = string.Concat(found.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => Encoding.Latin1.GetString(
            JsonDocument.Parse(line).RootElement.GetProperty("canonical").GetBytesFromBase64())));
        Assert.Contains("access token: for another audience", records, StringComparison.Ordinal);
        Assert.Contains("access token: not signed by the key that it names", records, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Keys_go_on_while_the_issuer_is_down_and_without_any_tokens_are_refused_and_certificates_are_not()
    {
        var before = await _issuer.TokenAsync("job-es256");
        await _issuer.RotateAsync();
        var after = await _issuer.TokenAsync("job-es256");
        // The server's first look at the keys is after the rotation.
        (await AsAsync(_machine, after, "whoami")).ExpectExit(0);
        Refused(await AsAsync(_machine, before, "whoami"), "The access token is not accepted");

        await _issuer.StopAsync();
        (await AsAsync(_machine, after, "whoami")).ExpectExit(0);
        await _service.RestartAsync();
        Refused(await AsAsync(_machine, after, "whoami"), "has not answered with its keys since this server started");
        (await _service.RunCliAsync(_service.Administrator, "whoami")).ExpectExit(0);
    }

    [Fact]
    public async Task Break_glass_opens_by_a_second_person_and_by_envelopes_when_the_issuer_has_been_gone_since_before_the_server_started()
    {
        var (eve, finn) = (await _service.IssueClientAsync("eve"), await _service.IssueClientAsync("finn"));
        foreach (var name in new[] { "eve", "finn" })
        {
            await AdministratorAsync("principal", "create", name, "--type", "person", "--certificate-uri", $"keyservice:principal/{name}");
            await AdministratorAsync("grant", "create", name, "--key", "*", "--permissions", "open-break-glass");
        }

        await _service.CreateKeyAsync("emergency");
        var token = (await _service.RunCliAsync(_service.Database, Encoding.UTF8.GetBytes("chart of ward 3"), "field", "encrypt", "--key", "emergency")).ExpectExit(0).Output;
        var codes = (await AdministratorAsync("break-glass", "seal")).Split('\n').Take(2).Select(line => line.Split(": ")[^1].Trim());
        await _issuer.StopAsync();
        await _service.RestartAsync();

        Assert.Equal(3, (await ReadAsync()).ExitCode);
        var id = IdOf(await _service.RunCliAsync(eve, "break-glass", "open", "--reason", "the issuer of tokens is down", "--json"));
        Assert.Equal(3, (await ReadAsync()).ExitCode);
        (await _service.RunCliAsync(finn, "break-glass", "confirm", id)).ExpectExit(0);
        Assert.Equal("chart of ward 3", (await ReadAsync()).ExpectExit(0).Text);
        (await _service.RunCliAsync(eve, "break-glass", "end", id)).ExpectExit(0);
        await AdministratorAsync("break-glass", "review", id, "--verdict", "justified", "--note", "the records fit the reason");

        Assert.Equal(3, (await ReadAsync()).ExitCode);
        IdOf(await _service.RunCliAsync(
            eve, Encoding.ASCII.GetBytes(string.Join('\n', codes) + "\n"), "break-glass", "open", "--sealed", "--reason", "alone at night", "--json"));
        Assert.Equal("chart of ward 3", (await ReadAsync()).ExpectExit(0).Text);

        async Task<string> AdministratorAsync(params string[] arguments) => (await _service.RunCliAsync(_service.Administrator, arguments)).ExpectExit(0).Text;
        Task<CommandResult> ReadAsync() => _service.RunCliAsync(eve, token, "field", "decrypt");
        static string IdOf(CommandResult result) => JsonDocument.Parse(result.ExpectExit(0).Text).RootElement.GetProperty("id").GetString()!;
    }

    private async Task<CommandResult> AsAsync(ClientIdentity identity, string token, params string[] arguments)
    {
        var tokenPath = Path.Combine(_service.Directory, "token");
        await File.WriteAllTextAsync(tokenPath, token + "\n");
        var profile = JsonSerializer.Deserialize<Dictionary<string, string>>(await File.ReadAllTextAsync(identity.ProfilePath))!;
        profile["accessTokenFile"] = tokenPath;
        var path = Path.Combine(_service.Directory, "with-token.profile.json");
        await File.WriteAllTextAsync(path, JsonSerializer.Serialize(profile));
        return await _service.RunCliAsync(identity with { ProfilePath = path }, arguments);
    }

    private static void Refused(CommandResult result, string why)
    {
        Assert.Equal(3, result.ExitCode);
        Assert.Contains(why, result.Error, StringComparison.Ordinal);
    }
}
