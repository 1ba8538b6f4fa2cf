namespace KeyService.IntegrationTests.Cli;

/// <summary>The scripts of evidence packs, with a service of their own.</summary>
public sealed class EvidenceScriptTests(ServiceFixture service) : IClassFixture<ServiceFixture>
{
    internal static readonly string[] Names = ["evidence"];

    public static TheoryData<string> Scripts => new(Names);

    [Theory]
    [MemberData(nameof(Scripts))]
    public Task A_script_reads_like_documentation_and_is_true(string name) => new CliScriptRun(service).RunAsync(name);
}
