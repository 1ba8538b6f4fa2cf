namespace KeyService.IntegrationTests.Service;

/// <summary>
/// perf/long-stream.sh: zeros through <c>encrypt --remote | decrypt --remote</c>, compared by digest, the memory of both commands and of the
/// server read at each quarter: none may grow with the length.
/// </summary>
[Collection(RunningService.Name)]
public sealed class LongStreamTests(ServiceFixture service)
{
    [Fact]
    public Task Half_a_gibibyte_there_and_back_in_flat_memory() => RunAsync(512);

    [Fact]
    [Trait("Duration", "long")]
    public Task Twenty_gibibytes_there_and_back_in_flat_memory() => RunAsync(20 * 1024);

    private async Task RunAsync(int mebibytes)
    {
        var key = (await Calls.NewKeyAsync(service)).Name;
        var environment = new Dictionary<string, string?>
        {
            ["KEYSERVICE"] = Executables.Cli, ["KEYSERVICE_PROFILE"] = service.Backup.ProfilePath, ["KEY"] = key,
        };
        var script = Path.Combine(Infrastructure.RepositoryRoot, "perf/long-stream.sh");
        var limit = mebibytes > 1024 ? TimeSpan.FromHours(1) : Command.Limit;
        var result = (await Command.RunAsync(script, [$"{service.ServerId}", $"{mebibytes}"], environment, limit: limit)).ExpectExit(0);
        Assert.Contains($"{mebibytes} MiB there and back", result.Text, StringComparison.Ordinal);
    }
}
