using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.BadDays;

/// <summary>What the server says where the host refuses what it asks for its memory.</summary>
public sealed class HardeningTests(ServiceFixture service) : IClassFixture<ServiceFixture>
{
    [Fact]
    public async Task Memory_that_cannot_be_locked_is_said_by_start_status_and_doctor()
    {
        var prlimit = Infrastructure.RequireTool("prlimit", "util-linux");
        var setpriv = Infrastructure.RequireTool("setpriv", "util-linux");
        await service.StopAsync();
        // Root locks what it likes unless the capability is gone too.
        service.Through = [prlimit, "--memlock=65536:65536", .. Environment.UserName == "root" ? new[] { setpriv, "--bounding-set=-ipc_lock" } : []];
        await service.StartAsync();
        Assert.Contains("memory for secrets could not be locked", service.ServerLog, StringComparison.Ordinal);
        using (var channel = service.ConnectAs("administrator"))
        {
            var status = await new Protocol.V1.System.SystemClient(channel).GetStatusAsync(new GetStatusRequest());
            Assert.Contains("is not locked", status.Components.Single(component => component.Name == "memory").Detail, StringComparison.Ordinal);
        }
        string[] doctor = [.. service.Through, Executables.Server, "doctor", "--config", service.ConfigPath];
        var found = await Command.RunAsync(doctor[0], doctor[1..], service.ServerEnvironment);
        Assert.Contains("is not locked", found.Text, StringComparison.Ordinal);
        Assert.Contains("LimitMEMLOCK", found.Text, StringComparison.Ordinal);
        service.Through = [];
        await service.RestartAsync();
        Assert.DoesNotContain("could not be locked", service.ServerLog, StringComparison.Ordinal);
    }
}
