namespace KeyService.IntegrationTests.Cli;

/// <summary>All scripts that are not of another class, beside those.</summary>
public sealed class CliScriptTests(ServiceFixture service) : IClassFixture<ServiceFixture>
{
    public static TheoryData<string> Scripts => new(
        Directory.GetFiles(CliScriptRun.ScriptDirectory, "*.txt").Select(path => Path.GetFileNameWithoutExtension(path))
            .Except(ArchiveScriptTests.Names).Except(AuditScriptTests.Names).Except(ApprovalScriptTests.Names).Except(EvidenceScriptTests.Names).Order());

    [Theory]
    [MemberData(nameof(Scripts))]
    public Task A_script_reads_like_documentation_and_is_true(string name) => new CliScriptRun(service).RunAsync(name);

    [Fact]
    public void A_script_that_says_otherwise_would_fail()
    {
        Assert.Null(CliScript.Mismatch(["a * c", "..."], "a b c\nd\ne\n"));
        Assert.Null(CliScript.Mismatch([], ""));
        Assert.NotNull(CliScript.Mismatch([], "unexpected\n"));
        Assert.NotNull(CliScript.Mismatch(["a"], ""));
        Assert.NotNull(CliScript.Mismatch(["a"], "a\nb\n"));
        Assert.NotNull(CliScript.Mismatch(["a*c"], "a\nc\n"));
    }
}
