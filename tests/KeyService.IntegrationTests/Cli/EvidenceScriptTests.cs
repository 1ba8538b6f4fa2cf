namespace KeyService.IntegrationTests.Cli;

/// <summary>The scripts of evidence packs, with a service of their own that knows a file of decisions.</summary>
public sealed class EvidenceScriptTests(EvidenceScriptTests.Fixture fixture) : IClassFixture<EvidenceScriptTests.Fixture>
{
    internal static readonly string[] Names = ["evidence", "evidence-tampered"];

    public static TheoryData<string> Scripts => new(Names);

    [Theory]
    [MemberData(nameof(Scripts))]
    public Task A_script_reads_like_documentation_and_is_true(string name) => new CliScriptRun(fixture.Service).RunAsync(name);

    public sealed class Fixture : IAsyncLifetime
    {
        internal ServiceFixture Service { get; } = new()
        {
            Configure = configuration => configuration["evidence"] = new Dictionary<string, object?> { ["decisionsFile"] = "decisions.json" },
        };

        public ValueTask InitializeAsync() => Service.InitializeAsync();

        public ValueTask DisposeAsync() => Service.DisposeAsync();
    }
}
