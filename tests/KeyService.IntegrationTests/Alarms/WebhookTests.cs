using System.Diagnostics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using KeyService.IntegrationTests.BadDays;
using KeyService.Protocol.V1;
using KeyService.Server.Alarms;
using KeyService.Server.Hosting;
using Microsoft.AspNetCore.Http;
using Alarm = KeyService.Server.Alarms.Alarm;
using AlarmSeverity = KeyService.Server.Alarms.AlarmSeverity;

namespace KeyService.IntegrationTests.Alarms;

/// <summary>The webhook against a real receiver: from the real server, and the single POST over TLS.</summary>
public sealed class WebhookTests : IDisposable
{
    private readonly string directory = Directory.CreateTempSubdirectory("keyservice-webhook-").FullName;

    public void Dispose() => Directory.Delete(directory, recursive: true);

    [Fact]
    public async Task Raised_acknowledged_and_cleared_are_posted_signed_and_without_the_secret()
    {
        await using var receiver = await WebhookReceiver.StartAsync();
        await using var service = await StartAsync(receiver);
        await AlarmService.CallWithCertificateAsync(service, "ending", days: 20);
        var alarm = await AlarmService.WaitForAsync(service, "principal ending");
        await PostedAsync(receiver, "raised");
        await AlarmService.AcknowledgeAsync(service, alarm.Id);
        await AlarmService.CallWithCertificateAsync(service, "ending", days: 365, register: false);
        await PostedAsync(receiver, "cleared");

        Assert.Equal(["raised", "acknowledged", "cleared"], receiver.Posts.Select(post => post.Event));
        foreach (var post in receiver.Posts)
        {
            Assert.Equal(("POST", "/hook", "application/json", alarm.Id), (post.Method, post.Path, post.ContentType, post.Alarm("id")));
            Assert.True(post.IsSignedBy(WebhookReceiver.Secret, TimeProvider.System.GetUtcNow()));
            Assert.False(post.IsSignedBy("another secret of that length", TimeProvider.System.GetUtcNow()));
            Assert.Equal(-1, post.Body.AsSpan().IndexOf("battery"u8));
        }
        var raised = receiver.Posts.First();
        Assert.Equal((AlarmService.Kind, "warning", "principal ending", alarm.Message, "True", "False"),
            (raised.Alarm("kind"), raised.Alarm("severity"), raised.Alarm("subject"), raised.Alarm("message"), raised.Alarm("stands"), raised.Alarm("acknowledged")));
        Assert.DoesNotContain("battery", service.ServerLog, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_receiver_that_answers_errors_or_never_slows_no_call_and_gets_the_alarm_when_it_is_well()
    {
        await using var receiver = await WebhookReceiver.StartAsync();
        var posts = 0;
        var hang = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        receiver.Answer = async context =>
        {
            if (Interlocked.Increment(ref posts) == 1)
            {
                context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
                return;
            }
            await hang.Task.WaitAsync(context.RequestAborted);
        };
        await using var service = await StartAsync(receiver);
        await AlarmService.CallWithCertificateAsync(service, "ending", days: 20);
        await Until.TrueAsync(() => posts >= 2, "a second attempt after an error");

        // It hangs now, and goes on to for all of this: no call waits for it.
        using var administrator = service.ConnectAs("administrator");
        var access = new Access.AccessClient(administrator);
        var begun = Stopwatch.GetTimestamp();
        for (var i = 0; i < 20; i++)
        {
            await access.WhoAmIAsync(new WhoAmIRequest());
        }
        await AlarmService.CallWithCertificateAsync(service, "ending2", days: 20);
        await AlarmService.WaitForAsync(service, "principal ending2");
        Assert.Equal(2, Volatile.Read(ref posts));
        Assert.True(Stopwatch.GetElapsedTime(begun) < Command.Limit);

        receiver.Answer = _ => Task.CompletedTask;
        hang.SetResult();
        await Until.TrueAsync(() => receiver.Posts.Any(post => post.Alarm("subject") == "principal ending2"), "the second alarm");
    }

    [Fact]
    public async Task Its_certificate_has_to_come_from_the_configured_authority()
    {
        Infrastructure.RequireTool("openssl", "openssl");
        await Executables.MakePkiAsync(directory);
        await Executables.MakePkiAsync(Path.Combine(directory, "other"));
        await using var receiver = await WebhookReceiver.StartAsync(Pem("server"));
        Assert.Null(await PostAsync(receiver.Url, Path.Combine(directory, "ca.crt")));
        Assert.True(Assert.Single(receiver.Posts).IsSignedBy(WebhookReceiver.Secret, TimeProvider.System.GetUtcNow()));
        Assert.Equal("the receiver's certificate is not accepted", await PostAsync(receiver.Url, Path.Combine(directory, "other/ca.crt")));
        Assert.Equal("the receiver's certificate is not accepted", await PostAsync(receiver.Url, ca: null));
        // Of the right authority, and somebody else's.
        await using var impostor = await WebhookReceiver.StartAsync(OfAnotherHost());
        Assert.Equal("the receiver's certificate is not accepted", await PostAsync(impostor.Url, Path.Combine(directory, "ca.crt")));
        Assert.Empty(impostor.Posts);
        Assert.Contains("alarms.webhook.ca cannot be read", await PostAsync(receiver.Url, Path.Combine(directory, "absent.crt")), StringComparison.Ordinal);
        Assert.Single(receiver.Posts);
    }

    [Fact]
    public async Task A_redirect_is_not_followed_and_nobody_there_is_said()
    {
        await using var receiver = await WebhookReceiver.StartAsync();
        receiver.Answer = context =>
        {
            context.Response.Redirect("/elsewhere");
            return Task.CompletedTask;
        };
        Assert.Equal("the receiver answered 302", await PostAsync(receiver.Url, ca: null));
        Assert.Single(receiver.Posts);
        Assert.Equal("the receiver cannot be reached (ConnectionError)", await PostAsync($"http://127.0.0.1:{ServiceFixture.FreePort()}/", ca: null));
    }

    [Fact]
    public async Task Without_a_secret_that_is_one_nothing_is_posted()
    {
        await using var receiver = await WebhookReceiver.StartAsync();
        Assert.Contains("16 to 255 bytes", await PostAsync(receiver.Url, ca: null, secret: "short"), StringComparison.Ordinal);
        Assert.Contains("chmod 0600", await PostAsync(receiver.Url, ca: null, mode: UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead), StringComparison.Ordinal);
        Assert.Contains("cannot be read", await PostAsync(receiver.Url, ca: null, secret: null), StringComparison.Ordinal);
        Assert.Empty(receiver.Posts);
    }

    private static async Task<ServiceFixture> StartAsync(WebhookReceiver receiver)
    {
        var service = await AlarmService.StartAsync(config => config["alarms"] = new Dictionary<string, object?>
        {
            ["webhook"] = new Dictionary<string, object?> { ["url"] = receiver.Url, ["secretFile"] = "webhook-secret" },
        });
        // Read for each delivery: it may come after the start.
        WriteSecret(Path.Combine(service.Directory, "webhook-secret"), WebhookReceiver.Secret, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return service;
    }

    private X509Certificate2 Pem(string name) =>
        X509Certificate2.CreateFromPemFile(Path.Combine(directory, $"{name}.crt"), Path.Combine(directory, $"{name}.key"));

    private X509Certificate2 OfAnotherHost()
    {
        using var ca = Pem("ca");
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=elsewhere", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], critical: false));
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("elsewhere.example.org");
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.Create(ca, ca.NotBefore, TimeProvider.System.GetUtcNow().AddDays(1), [0x2B]);
        return certificate.CopyWithPrivateKey(key);
    }

    private static Task PostedAsync(WebhookReceiver receiver, string news) =>
        Until.TrueAsync(() => receiver.Posts.Any(post => post.Event == news), $"a post of an alarm that was {news}");

    private async Task<string?> PostAsync(
        string url, string? ca, string? secret = WebhookReceiver.Secret, UnixFileMode mode = UnixFileMode.UserRead | UnixFileMode.UserWrite)
    {
        var secretFile = Path.Combine(directory, $"secret-{Guid.NewGuid():N}");
        if (secret is not null)
        {
            WriteSecret(secretFile, secret, mode);
        }
        var webhook = new Webhook(new WebhookConfiguration(new Uri(url), secretFile, ca), TimeProvider.System);
        var alarm = Alarm.New(
            1, new AlarmCondition(AlarmKind.KeyAging, "ehr/one", "It is 170 days old.", AlarmSeverity.Warning), TimeProvider.System.GetUtcNow());
        return await webhook.PostAsync(AlarmNews.Raised, alarm, CancellationToken.None);
    }

    private static void WriteSecret(string path, string secret, UnixFileMode mode)
    {
        File.WriteAllText(path, secret + "\n");
        File.SetUnixFileMode(path, mode);
    }
}
