namespace KeyService.IntegrationTests.Cli;

/// <summary>Runs scripts of scripts/*.txt, each in a directory of its own, against one running service: those that are about archives and files.</summary>
public sealed class ArchiveScriptTests(ServiceFixture service) : IClassFixture<ServiceFixture>
{
    internal static readonly string[] Names =
        ["archive", "bad-archives", "fields", "output-files", "producer", "range", "remote", "rewrap", "verify"];

    public static TheoryData<string> Scripts => new(Names);

    [Theory]
    [MemberData(nameof(Scripts))]
    public Task A_script_reads_like_documentation_and_is_true(string name) => new CliScriptRun(service).RunAsync(name);
}
