using KeyService.IntegrationTests.BadDays;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.Replicas;

/// <summary>Servers of one version and of the next on one database, under load the whole time, there and back.</summary>
public sealed class RollingUpgradeTests(PostgresFixture postgres, ITestOutputHelper output) : IClassFixture<PostgresFixture>
{
    private const string Key = "fleet/upgraded";

    /// <summary>What expanding is: columns that may be absent and an index, on the tables that every call and every change uses, and a table more.</summary>
    private const string Step = """
        ALTER TABLE keys ADD COLUMN note TEXT;
        ALTER TABLE key_versions ADD COLUMN note TEXT;
        ALTER TABLE grants ADD COLUMN note TEXT;
        ALTER TABLE wrap_counts ADD COLUMN note TEXT;
        ALTER TABLE row_changes ADD COLUMN note TEXT;
        ALTER TABLE audit_heads ADD COLUMN note TEXT;
        ALTER TABLE audit_records ADD COLUMN note TEXT;
        CREATE INDEX keys_by_note ON keys (note);
        CREATE TABLE notes (id BIGINT PRIMARY KEY, note TEXT COLLATE "C" NOT NULL);
        """;

    [Fact]
    [Trait("Duration", "long")]
    public async Task Servers_are_replaced_one_by_one_by_those_of_the_next_version_and_no_call_is_lost()
    {
        using var next = new NextVersion();
        await next.BuildAsync(Step);
        await using var fleet = await Fleet.StartAsync(postgres);
        fleet.Join(await fleet.StartAsync("second"));
        fleet.Join(await fleet.StartAsync("third"));
        await fleet.CreateKeyAsync(Key);
        await using var load = new FleetLoad(fleet, Key);
        await load.ProgressAsync(100);

        // The schema first, while all servers are of the version before.
        Assert.Contains("has the schema of this version", await MigrateAsync(fleet, next.Server), StringComparison.Ordinal);
        await load.ProgressAsync(100);
        Assert.Contains("the schema of a newer version, which this one works with", await MigrateAsync(fleet, Executables.Server), StringComparison.Ordinal);

        // One of them dies just now, and is started again as it was.
        await ReplaceAsync(fleet, load, fleet.Replicas[1], executable: null, kill: true);
        Assert.Contains(
            $"the store has schema {NextVersion.Schema} of a newer KeyService; this one knows up to {NextVersion.Schema - 1} and works with it",
            fleet.Replicas[^1].Log, StringComparison.Ordinal);

        foreach (var replica in fleet.Replicas)
        {
            await ReplaceAsync(fleet, load, replica, next.Server);
            Assert.Contains($"KeyService {NextVersion.Version}", fleet.Replicas[^1].Log, StringComparison.Ordinal);
            await ChangeAsync(fleet);
        }

        // And one goes back: the way that is left when the new version turns out to be bad.
        await ReplaceAsync(fleet, load, fleet.Replicas[0], executable: null);
        await ChangeAsync(fleet);
        await load.EndAsync();
        Assert.Empty(load.Failures);
        output.WriteLine($"{load.Answered.Count} answers, {load.Moved} calls made again elsewhere");

        await Task.WhenAll(fleet.Replicas.Select(replica => Answers.HoldAsync(replica.Administrator, replica.Database, load.Answered)));
        Answers.AreLogged(load.Answered, (await fleet.ReadLogsAsync()).SelectMany(log => log));
        foreach (var replica in fleet.Replicas)
        {
            var scrub = (await new Store.StoreClient(replica.Administrator).ScrubStoreAsync(new ScrubStoreRequest())).Scrub;
            Assert.True(scrub.FindingCount == 0, string.Join("; ", scrub.Findings));
        }
    }

    private static async Task<string> MigrateAsync(Fleet fleet, string executable) =>
        (await fleet.RunServerAsync(executable, "store", "migrate", "--owner", fleet.Owner)).ExpectExit(0).Text;

    private static async Task ReplaceAsync(Fleet fleet, FleetLoad load, Replica replica, string? executable, bool kill = false)
    {
        await (kill ? replica.KillAsync() : replica.StopAsync());
        fleet.Join(await fleet.StartAgainAsync(replica, executable), replica);
        await load.ProgressAsync(100);
    }

    /// <summary>A change at each server, which all others follow: a key made at one is used at the others.</summary>
    private static async Task ChangeAsync(Fleet fleet)
    {
        foreach (var replica in fleet.Replicas)
        {
            var name = $"fleet/{Guid.NewGuid():N}";
            await new Keys.KeysClient(replica.Administrator).CreateKeyAsync(
                new CreateKeyRequest { RequestId = $"{Guid.NewGuid()}", Name = name, Purpose = KeyPurpose.EncryptDecrypt });
            foreach (var other in fleet.Replicas)
            {
                var rotated = await new Keys.KeysClient(other.Administrator).RotateKeyAsync(new RotateKeyRequest { RequestId = $"{Guid.NewGuid()}", Name = name });
                Assert.Equal(name, rotated.Key.Name);
            }
        }
    }
}
