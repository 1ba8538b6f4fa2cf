using System.Text.RegularExpressions;
using Dapper;

namespace KeyService.IntegrationTests.Adopt;

/// <summary>docs/adopt.md, word by word.</summary>
public sealed partial class AdoptGuideTests(ServiceFixture service, PostgresFixture postgres)
    : IClassFixture<ServiceFixture>, IClassFixture<PostgresFixture>
{
    [Fact]
    public async Task The_guide_leads_where_it_says()
    {
        await service.CreateKeyAsync(AdoptedDatabase.Key);
        await using var database = await AdoptedDatabase.CreateAsync(service, postgres, 20);
        var guide = await File.ReadAllTextAsync(Path.Combine(Infrastructure.RepositoryRoot, "docs/adopt.md"));
        var commands = RunBlock().Matches(guide).Select(match => match.Groups[1].Value).ToList();
        Assert.Equal(["start", "verify", "switch", "commit"], commands.Select(command => command.Split(' ')[2]));
        foreach (var command in commands)
        {
            var environment = new Dictionary<string, string?>
            {
                ["EHR"] = database.ConnectionString,
                ["KEYSERVICE_PROFILE"] = service.Database.ProfilePath,
                ["PATH"] = Path.GetDirectoryName(Executables.Cli) + ":" + Environment.GetEnvironmentVariable("PATH"),
            };
            (await Command.RunAsync("/bin/bash", ["-ec", command], environment)).ExpectExit(0);
        }
        Assert.Equal(("bytea", "bytea"), await database.Connection.QuerySingleAsync<(string, string)>(
            "SELECT pg_typeof(family)::text, pg_typeof(note)::text FROM patient WHERE id = 1"));
    }

    [GeneratedRegex(@"^```sh run\n(.*?)^```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex RunBlock();
}
