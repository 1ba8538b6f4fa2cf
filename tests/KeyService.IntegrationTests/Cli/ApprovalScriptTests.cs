namespace KeyService.IntegrationTests.Cli;

/// <summary>The script about approvals: a roster changes what a service lets one person do, so it has a service of its own.</summary>
public sealed class ApprovalScriptTests(ServiceFixture service) : IClassFixture<ServiceFixture>
{
    internal static readonly string[] Names = ["approvals"];

    [Fact]
    public Task A_script_reads_like_documentation_and_is_true() => new CliScriptRun(service).RunAsync("approvals");
}
