using KeyService.IntegrationTests.BadDays;
using KeyService.IntegrationTests.Storage;
using Xunit.Sdk;
using Xunit.v3;

[assembly: TestPipelineStartup(typeof(KeyService.IntegrationTests.ChildProcess))]

namespace KeyService.IntegrationTests;

/// <summary>
/// This assembly is also the child of some tests: started with one of their variables set it does what that test needs in a process of its own, and no
/// test runs.
/// </summary>
public sealed class ChildProcess : ITestPipelineStartup
{
    private static readonly Dictionary<string, Func<string, Task<int>>> Roles = new()
    {
        [Committer.PathVariable] = Committer.RunAsync,
        [KeyHolder.ProfileVariable] = KeyHolder.RunAsync,
        [BulkKeyReader.ConfigurationVariable] = BulkKeyReader.RunAsync,
    };

    /// <summary>Program and arguments that start this assembly again.</summary>
    internal static IReadOnlyList<string> Line { get; } = Path.GetFileNameWithoutExtension(Environment.ProcessPath!) == "dotnet"
        ? [Environment.ProcessPath!, typeof(ChildProcess).Assembly.Location]
        : [Environment.ProcessPath!];

    public async ValueTask StartAsync(IMessageSink diagnosticMessageSink)
    {
        foreach (var (variable, run) in Roles)
        {
            if (Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value)
            {
                Environment.Exit(await run(value));
            }
        }
    }

    public ValueTask StopAsync() => ValueTask.CompletedTask;
}
