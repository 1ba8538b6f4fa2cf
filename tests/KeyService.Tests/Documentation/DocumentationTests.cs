using System.Text.RegularExpressions;

namespace KeyService.Tests.Documentation;

/// <summary>What the documents point at is there.</summary>
public sealed partial class DocumentationTests
{
    private static readonly string Root = FindRoot();

    public static TheoryData<string> Documents => new(
        Directory.GetFiles(Root, "*.md")
            .Where(path => !Path.GetFileName(path).StartsWith("test-report-", StringComparison.Ordinal))
            .Concat(new[] { "docs", "hsm-sim", "tests/data", "tests/fuzz-corpus", "perf" }.Select(directory => Path.Combine(Root, directory))
                .SelectMany(directory => Directory.GetFiles(directory, "*.md", SearchOption.AllDirectories)))
            .Select(path => Path.GetRelativePath(Root, path)));

    [Theory]
    [MemberData(nameof(Documents))]
    public void Every_relative_link_leads_somewhere(string document)
    {
        var directory = Path.GetDirectoryName(Path.Combine(Root, document))!;

        var missing = Link().Matches(File.ReadAllText(Path.Combine(Root, document)))
            .Select(match => match.Groups[1].Value)
            .Where(target => !target.Contains("://", StringComparison.Ordinal) && !target.StartsWith("mailto:", StringComparison.Ordinal))
            .Where(target => !Path.Exists(Path.Combine(directory, target)));

        Assert.Empty(missing);
    }

    [Fact]
    public void Every_test_that_the_threat_model_names_exists()
    {
        var threatModel = File.ReadAllText(Path.Combine(Root, "docs/threat-model.md"));
        var named = TestClass().Matches(threatModel).Select(match => match.Groups[1].Value).Distinct().ToList();

        Assert.True(named.Count >= 25, "The threat model has lost its tests.");
        var missing = named.Where(test => !new[] { "KeyService.Crypto.Tests", "KeyService.Tests", "KeyService.IntegrationTests" }
            .Any(project => File.Exists(Path.Combine(Root, "tests", project, test + ".cs")))).ToList();
        Assert.Empty(missing);
    }

    [Fact]
    public void No_stub_is_left()
    {
        var unfinished = Directory.GetFiles(Path.Combine(Root, "src"), "*.cs", SearchOption.AllDirectories)
            .Where(path => Unfinished().IsMatch(File.ReadAllText(path)))
            .Select(path => Path.GetRelativePath(Root, path));

        Assert.Empty(unfinished);
    }

    private static string FindRoot()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory.FullName, "KeyService.sln")))
        {
            directory = directory.Parent ?? throw new InvalidOperationException("KeyService.sln was not found above the tests.");
        }
        return directory.FullName;
    }

    [GeneratedRegex(@"\]\(([^)#\s]+)(?:#[^)]*)?\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"`(\w+/\w+Tests)`")]
    private static partial Regex TestClass();

    [GeneratedRegex(@"NotImplementedException|\bTODO\b|\bFIXME\b|\bHACK\b")]
    private static partial Regex Unfinished();
}
