namespace KeyService.IntegrationTests.Cli;

/// <summary>The scripts of the audit log that is taken out and proven, with a service of their own.</summary>
public sealed class AuditScriptTests(ServiceFixture service) : IClassFixture<ServiceFixture>
{
    internal static readonly string[] Names = ["audit-export", "audit-succession"];

    public static TheoryData<string> Scripts => new(Names);

    [Theory]
    [MemberData(nameof(Scripts))]
    public Task A_script_reads_like_documentation_and_is_true(string name) => new CliScriptRun(service).RunAsync(name);
}
