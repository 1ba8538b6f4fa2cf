using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using KeyService.Server.Audit;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;

namespace KeyService.Tests.Storage;

/// <summary>A process that appends to a store is killed in the middle; what it was told is durable must be there.</summary>
public sealed class KilledWriterTests
{
    private const string PathVariable = "KEYSERVICE_TESTS_APPEND_TO";
    private const int Rounds = 20;

    /// <summary>This assembly is also the child: started with the variable set it appends until it is killed, and no test runs.</summary>
    [ModuleInitializer]
    internal static void BecomeTheAppender()
    {
        if (Environment.GetEnvironmentVariable(PathVariable) is { Length: > 0 } path)
        {
            Append(path);
        }
    }

    [Fact]
    public async Task Every_acknowledged_record_is_there_after_kill_minus_nine()
    {
        using var file = new StoreFile();
        var random = new Random(20261122);
        var rows = SoftwareRows.Of();
        await using (var store = file.Open())
        {
            await SoftwareRows.InstallAsync(store, rows);
        }

        for (var round = 0; round < Rounds; round++)
        {
            var acknowledged = await AppendAndKillAsync(file.Path, random.Next(1, 2000));
            await using var store = file.Open();
            Assert.True(store.LastSequence >= acknowledged, $"round {round}: {acknowledged} was acknowledged, the log ends at {store.LastSequence}");
            var report = await new AuditVerification(new AuditLog(store), store, rows).RunAsync(CancellationToken.None);
            Assert.Empty(report.Findings);
            Assert.Equal(store.LastSequence + 1, report.Records);
        }
    }

    /// <summary>
    /// The highest number acknowledged before the kill, which comes at some moment after <paramref name="atLeast"/> acknowledgements.
    /// </summary>
    private static async Task<long> AppendAndKillAsync(string path, int atLeast)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true };
        if (Path.GetFileNameWithoutExtension(start.FileName) == "dotnet")
        {
            start.ArgumentList.Add(typeof(KilledWriterTests).Assembly.Location);
        }

        start.Environment[PathVariable] = path;
        using var child = Process.Start(start)!;
        long highest = -1;
        for (var seen = 0; seen < atLeast && await child.StandardOutput.ReadLineAsync() is { } line; seen++)
        {
            highest = Math.Max(highest, long.Parse(line, CultureInfo.InvariantCulture));
        }

        child.Kill();
        // What it printed before it died was acknowledged too; the last line may be cut in the middle and counts only with its end.
        var rest = await child.StandardOutput.ReadToEndAsync();
        foreach (var line in rest[..(rest.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            highest = Math.Max(highest, long.Parse(line, CultureInfo.InvariantCulture));
        }

        await child.WaitForExitAsync();
        Assert.NotEqual(0, child.ExitCode);
        return highest;
    }

    // While the module's initializer runs, no other thread may enter this assembly: everything here stays on one thread.
    private static void Append(string path)
    {
        const int Group = 8;
        var store = SqliteStore.Open(new SqliteStoreOptions { Path = path }, TimeProvider.System);
        using var output = Console.OpenStandardOutput();
        var commits = new Task<CommitReceipt>[Group];
        while (true)
        {
            for (var i = 0; i < Group; i++)
            {
                commits[i] = store.CommitAsync(new AuditRecordDraft(AuditEvent.StatusRead) { Detail = "appended" }, null, CancellationToken.None);
            }

            foreach (var commit in commits)
            {
                output.Write(Encoding.ASCII.GetBytes($"{commit.GetAwaiter().GetResult().Sequence}\n"));
                output.Flush();
            }
        }
    }
}
