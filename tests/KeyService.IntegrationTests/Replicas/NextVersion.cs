using KeyService.Server.Storage;

namespace KeyService.IntegrationTests.Replicas;

/// <summary>
/// The server of the version to come: built once more from the same source, with one more step of the schema put in from outside. The product's project
/// knows nothing of it.
/// </summary>
internal sealed class NextVersion : IDisposable
{
    public const string Version = "99.0.0";
    private static readonly TimeSpan BuildLimit = TimeSpan.FromMinutes(10);
    private readonly DirectoryInfo directory = Directory.CreateTempSubdirectory("keyservice-next-");

    /// <summary>The schema that it knows.</summary>
    public static int Schema => Migrations.Postgres.Count + 1;

    public string Server => Path.Combine(directory.FullName, "artifacts/bin/KeyService.Server/release/KeyService.Server");

    /// <param name="sql">The step, beside which servers of the version before work.</param>
    public async Task BuildAsync(string sql)
    {
        var step = Path.Combine(directory.FullName, "step.sql");
        await File.WriteAllTextAsync(step, $"-- Servers that know schema {Schema - 1} or later work with this step.\n{sql}\n");
        var targets = Path.Combine(directory.FullName, "step.targets");
        await File.WriteAllTextAsync(targets, $"""
            <Project>
              <ItemGroup Condition="'$(MSBuildProjectName)' == 'KeyService.Server'">
                <EmbeddedResource Include="{step}" LogicalName="KeyService.Server.Storage.Migrations.Postgres.{Schema:d4}-next.sql" />
              </ItemGroup>
            </Project>
            """);
        var build = await Command.RunAsync(
            "dotnet",
            [
                "build", Path.Combine(Infrastructure.RepositoryRoot, "src/KeyService.Server"), "-c", "Release", "-nologo", "-v", "quiet", "-nodeReuse:false",
                "-p:UseSharedCompilation=false", $"-p:ArtifactsPath={Path.Combine(directory.FullName, "artifacts")}", $"-p:Version={Version}",
                $"-p:CustomAfterMicrosoftCommonTargets={targets}",
            ],
            new Dictionary<string, string?> { ["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1", ["DOTNET_NOLOGO"] = "1", ["MSBUILDDISABLENODEREUSE"] = "1" },
            limit: BuildLimit);
        build.ExpectExit(0);
    }

    public void Dispose() => directory.Delete(recursive: true);
}
