using KeyService.Server.Audit.Sinks;
using KeyService.Server.Hosting;
using KeyService.Tests.Audit.Sinks;

namespace KeyService.Tests.Server;

public sealed class SinksCheckTests : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("keyservice-sinks-");

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public async Task Sinks_that_can_be_used_are_good_and_nothing_is_left_in_them()
    {
        await using var receiver = new TlsReceiver(_directory);
        var copies = _directory.CreateSubdirectory("copies");
        var findings = await LookAsync(
            new DirectorySinkConfiguration("copies", copies.FullName, 1, TimeSpan.FromMinutes(1)), receiver.Configuration(),
            new OtlpSinkConfiguration("collector", new Uri($"https://127.0.0.1:{receiver.Port}"), receiver.Tls));
        Assert.All(findings, finding => Assert.Equal((FindingState.Good, "sinks"), (finding.State, finding.Check)));
        Assert.Empty(copies.GetFileSystemInfos());
    }

    [Fact]
    public async Task What_is_wrong_with_a_sink_is_said_and_a_receiver_that_is_down_is_a_warning()
    {
        await using var receiver = new TlsReceiver(_directory);
        var down = receiver.Configuration();
        await receiver.DisposeAsync();
        var findings = await LookAsync(
            new DirectorySinkConfiguration("copies", Path.Combine(_directory.FullName, "absent"), 1, TimeSpan.FromMinutes(1)),
            down with { Tls = new SinkTlsConfiguration("/nowhere/ca.pem", null, null) }, down);
        Assert.Equal([FindingState.Problem, FindingState.Problem, FindingState.Warning], findings.Select(finding => finding.State));
        Assert.All(findings, finding => Assert.NotEmpty(finding.Fix));
    }

    private static Task<IReadOnlyList<Finding>> LookAsync(params SinkConfiguration[] sinks) =>
        SinksCheck.RunAsync(new SinksConfiguration(sinks, TimeSpan.FromMinutes(5)), TimeProvider.System, CancellationToken.None);
}
