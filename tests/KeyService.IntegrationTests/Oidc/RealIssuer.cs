using System.Diagnostics;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace KeyService.IntegrationTests.Oidc;

/// <summary>node-oidc-provider in a process of its own: an issuer that shares no line with ours. Clients job-es256, job-rs256, job-ps256, job-unregistered.</summary>
internal sealed class RealIssuer : IAsyncDisposable
{
    public const string Audience = "https://keyservice.test";
    private const string Secret = "a secret of the tests and of nothing else";
    private readonly HttpClient _client = new();
    private Process? _process;

    public int Port { get; } = ServiceFixture.FreePort();

    public string Url => $"http://127.0.0.1:{Port}";

    public static async Task<RealIssuer> StartAsync()
    {
        var folder = Path.Combine(Infrastructure.RepositoryRoot, "tests/interop/node");
        var node = Infrastructure.RequireTool("node", "nodejs");
        Infrastructure.Require(Directory.Exists(Path.Combine(folder, "node_modules/oidc-provider")), "the npm packages of tests/interop/node (./test.sh installs them)");
        var issuer = new RealIssuer();
        var start = new ProcessStartInfo(node, [Path.Combine(folder, "oidc-issuer.js"), $"{issuer.Port}"])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = folder,
        };
        issuer._process = Process.Start(start)!;
        issuer._process.BeginErrorReadLine();
        await issuer.ExpectAsync("ready");
        return issuer;
    }

    /// <summary>An access token by client credentials (RFC 6749, 4.4) for a resource (RFC 8707).</summary>
    public async Task<string> TokenAsync(string client, string resource = Audience)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"{Url}/token")
        {
            Content = new FormUrlEncodedContent(new Dictionary<string, string> { ["grant_type"] = "client_credentials", ["scope"] = "keys", ["resource"] = resource }),
        };
        request.Headers.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.ASCII.GetBytes($"{client}:{Secret}")));
        using var response = await _client.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, text);
        using var document = JsonDocument.Parse(text);
        return document.RootElement.GetProperty("access_token").GetString()!;
    }

    /// <summary>Other keys sign from now on, and those before are not published any more.</summary>
    public async Task RotateAsync()
    {
        await _process!.StandardInput.WriteLineAsync("rotate");
        await ExpectAsync("rotated");
    }

    public async Task StopAsync()
    {
        if (_process is { } process)
        {
            _process = null;
            process.Kill();
            await process.WaitForExitAsync();
            process.Dispose();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _client.Dispose();
    }

    private async Task ExpectAsync(string line)
    {
        using var limit = new CancellationTokenSource(Command.Limit);
        while (await _process!.StandardOutput.ReadLineAsync(limit.Token) is { } said)
        {
            if (said == line)
            {
                return;
            }
        }

        Assert.Fail($"The issuer ended before it said \"{line}\".");
    }
}
