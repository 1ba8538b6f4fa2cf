using Dapper;
using KeyService.Server.Audit;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;

namespace KeyService.IntegrationTests.Storage;

/// <summary>
/// fsync fails under the writer, injected by strace into a process of its own. No commit of a failed fsync is acknowledged, the store
/// heals, nothing acknowledged is lost, the log has no gap, and a cache that follows commits holds just what the file holds, also when a
/// commit that failed stands after all.
/// </summary>
public sealed class FailedSyncTests
{
    [Theory]
    [InlineData("when=40")]
    [InlineData("when=40..42")]
    [InlineData("when=30+7")]
    [InlineData("when=30+2")]
    public async Task A_failed_fsync_is_told_to_its_callers_and_the_store_heals(string when)
    {
        var strace = Infrastructure.RequireTool("strace", "strace");
        var directory = Directory.CreateTempSubdirectory("keyservice-sync-");
        try
        {
            var result = await Command.RunAsync(
                strace,
                ["-f", "-qq", "-o", Path.Combine(directory.FullName, "trace"), "-e", "trace=fsync,fdatasync", "-e", $"inject=fsync,fdatasync:error=EIO:{when}", .. ChildProcess.Line],
                new Dictionary<string, string?> { [Committer.PathVariable] = Path.Combine(directory.FullName, "store.db") });
            Infrastructure.Require(!result.Error.Contains("ptrace", StringComparison.Ordinal), "a kernel that lets strace trace");
            Assert.Contains("good", result.ExpectExit(0).Text, StringComparison.Ordinal);
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }
}

/// <summary>What the child does (<see cref="ChildProcess"/>): it commits, and says what it found.</summary>
internal static class Committer
{
    internal const string PathVariable = "KEYSERVICE_TESTS_COMMIT_TO";
    private const int Commits = 300;

    public static async Task<int> RunAsync(string path)
    {
        var finding = await CommitAsync(path);
        await Console.Out.WriteLineAsync(finding);
        return finding.StartsWith("good", StringComparison.Ordinal) ? 0 : 1;
    }

    private static async Task<string> CommitAsync(string path)
    {
        await using var store = SqliteStore.Open(new SqliteStoreOptions { Path = path, Mode = StoreMode.Create }, TimeProvider.System);
        var cache = new SortedSet<string>(StringComparer.Ordinal);
        var acknowledged = new SortedSet<string>(StringComparer.Ordinal);
        var failures = 0;
        for (var i = 0; i < Commits; i++)
        {
            var name = $"{i:d4}";
            try
            {
                await store.CommitAsync(new AuditRecordDraft(AuditEvent.StatusRead), transaction => InsertAsync(transaction, name, cache), CancellationToken.None);
                acknowledged.Add(name);
            }
            catch (StoreUnavailableException)
            {
                failures++;
            }
        }

        // What the last failed commit left is known when the next one was made.
        while (!(await store.ProbeAsync(CancellationToken.None)).Healthy)
        {
            if (++failures > 2 * Commits)
            {
                return "the store never healed";
            }
        }

        var rows = await store.ReadAsync(connection => connection.QueryAsync<string>("SELECT token_id FROM integrity_key_blobs ORDER BY token_id"), CancellationToken.None);
        var log = (await store.ReadAsync(connection => connection.QueryAsync<long>("SELECT sequence FROM audit_records ORDER BY sequence"), CancellationToken.None)).AsList();
        return failures == 0 ? "no failure was injected"
            : !cache.SequenceEqual(rows) ? $"the cache holds {cache.Count}, the file {rows.Count()}"
            : !acknowledged.IsSubsetOf(rows) ? "an acknowledged change is missing"
            : log.Count != cache.Count || log.Count > 0 && log[^1] != log.Count - 1 ? "the log has a gap, or not one record a change"
            : $"good: {acknowledged.Count} acknowledged, {failures} failed, {cache.Count} there";
    }

    private static async Task InsertAsync(IStoreTransaction transaction, string name, SortedSet<string> cache)
    {
        await transaction.Connection.ExecuteAsync(
            "INSERT INTO integrity_key_blobs (token_id, blob, check_value, created_at) VALUES (@name, x'00', x'00', 0)", new { name }, transaction.Transaction);
        transaction.OnCommitted(() => cache.Add(name));
    }
}
