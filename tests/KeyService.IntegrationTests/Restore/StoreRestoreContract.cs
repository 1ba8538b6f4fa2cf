using System.Data.Common;
using KeyService.Crypto;
using KeyService.Crypto.Backups;
using KeyService.Hsm;
using KeyService.Hsm.Restore;
using KeyService.IntegrationTests.Hsm;
using KeyService.IntegrationTests.Storage;
using KeyService.Server.Audit;
using KeyService.Server.Hosting;
using KeyService.Server.Keys;
using KeyService.Server.Restore;
using KeyService.Server.Storage;
using KeyService.Tests.Storage;

namespace KeyService.IntegrationTests.Restore;

/// <summary>What a restore makes of what bundles say, on a real token and over both stores, whenever it is interrupted.</summary>
public abstract class StoreRestoreContract : IDisposable
{
    private const int Keks = 90;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private protected abstract Task<Func<IStore>> NewStoreAsync();

    public virtual void Dispose() => GC.SuppressFinalize(this);

    [Fact]
    public async Task Each_version_comes_back_in_the_state_that_is_safe_for_it()
    {
        using var lost = await LostBundles.MakeAsync(Keks);
        var (full, digest) = await lost.WriteAsync(7, BundleKind.Full, [],
        [
            new SaidKey("a/active", 1, new(0, KeyState.Deactivated), new(1, KeyState.Active), new(2, KeyState.PreActivation)),
            new SaidKey("b/stopped", 3, new SaidVersion(3, KeyState.Suspended, ProcessingStopped: true)),
            new SaidKey("c/suspended", 4, new SaidVersion(4, KeyState.Suspended)),
            new SaidKey("d/leaked", 5, new SaidVersion(5, KeyState.Compromised), new SaidVersion(6, KeyState.Destroyed)),
            new SaidKey("e/gone", 7, new SaidVersion(7, KeyState.Destroyed)),
            new SaidKey("f/left-out", 8),
            new SaidKey("g/primary-left-out", 9, new SaidVersion(10, KeyState.Deactivated), new SaidVersion(11, KeyState.PreActivation)),
        ], leftOut: 2);
        var (incremental, _) = await lost.WriteAsync(9, BundleKind.Incremental, digest,
        [
            new SaidKey("a/active", 12, new SaidVersion(1, KeyState.Compromised), new SaidVersion(12, KeyState.Active)),
            new SaidKey("h/new", 13, new SaidVersion(13, KeyState.Active)),
        ], leftOut: 1);

        var open = await NewStoreAsync();
        using var directory = new SoftHsmDirectory();
        await using var store = open();
        await using var token = directory.Open();
        var restored = await RestoreAsync(store, token, lost, full, incremental);
        Assert.Equal(lost.Token.BackupKeyId, token.BackupKeyId);
        Assert.Equal((7L, 12L, 2L), (restored.Keys.Keys, restored.Keys.Versions, restored.Keys.Destroyed));
        Assert.Equal(1, restored.Restoration.RepeatedCount);
        Assert.Equal(LostBundles.MadeTime.AddHours(9), restored.Restoration.ReachTime);

        var installation = (await Installation.ReadAsync(store, Cancellation))!;
        Assert.Equal(lost.Installation, installation.Id);
        Assert.True(installation.IsRestored);
        var rows = await StartAsync(store, token, installation);
        var keys = new KeyTables(rows);
        await ExpectAsync("a/active", 12, rotates: true,
            (0, KeyState.Deactivated), (1, KeyState.Compromised), (2, KeyState.Deactivated), (12, KeyState.Deactivated));
        await ExpectAsync("b/stopped", 3, rotates: false, (3, KeyState.Suspended));
        await ExpectAsync("c/suspended", 4, rotates: false, (4, KeyState.Suspended));
        await ExpectAsync("d/leaked", 5, rotates: true, (5, KeyState.Compromised), (6, KeyState.Destroyed));
        await ExpectAsync("e/gone", 7, rotates: false, (7, KeyState.Destroyed));
        await ExpectAsync("g/primary-left-out", 11, rotates: true, (10, KeyState.Deactivated), (11, KeyState.Deactivated));
        await ExpectAsync("h/new", 13, rotates: true, (13, KeyState.Deactivated));
        Assert.Null(await store.ReadAsync(connection => keys.FindKeyAsync(connection, null, "f/left-out", Cancellation), Cancellation));
        Assert.True((await FindAsync(3)).ProcessingStopped);
        Assert.False((await FindAsync(4)).ProcessingStopped);
        Assert.Equal(("", 8), ((await FindAsync(7)).CheckValueEnd, (await FindAsync(4)).CheckValueEnd.Length));

        // No state that anybody could give it lets a restored version wrap a data key: its wraps are spent.
        var material = new KeyMaterialTables(rows);
        var counts = await store.ReadAsync(
            connection => material.GetWrapCountsAsync(connection, null, [.. Enumerable.Range(0, 14).Except([8, 9]).Select(lost.IdOf)], Cancellation), Cancellation);
        Assert.All(counts.Values, count => Assert.Equal(WrapBudget.Limit, count.Reserved));
        var transitions = await store.ReadAsync(
            async connection => await new KeyTransitionTable(rows).ListAsync(connection, await FindAsync(1), Cancellation), Cancellation);
        Assert.Equal([KeyState.Deactivated, KeyState.Compromised], transitions.Select(each => each.To));
        Assert.Contains("restored from bundle 7, where it was active", transitions[0].Change.Reason, StringComparison.Ordinal);

        async Task<KeyVersionRow> FindAsync(int kek) =>
            (await store.ReadAsync(connection => keys.FindVersionAsync(connection, null, lost.IdOf(kek), Cancellation), Cancellation))!;

        async Task ExpectAsync(string name, int primary, bool rotates, params (int Kek, KeyState State)[] versions)
        {
            var key = (await store.ReadAsync(connection => keys.FindKeyAsync(connection, null, name, Cancellation), Cancellation))!;
            Assert.Equal((lost.IdOf(primary), rotates), (key.PrimaryVersion, key.RotateTime <= TimeProvider.System.GetUtcNow()));
            Assert.Equal(versions.Length, key.VersionCount);
            foreach (var (kek, state) in versions)
            {
                Assert.Equal(state, (await FindAsync(kek)).State);
            }
        }
    }

    [Fact]
    public async Task Interrupted_before_or_behind_any_commit_it_goes_on_and_what_comes_out_is_the_same()
    {
        using var lost = await LostBundles.MakeAsync(Keks);
        // Two pages of the full bundle, one key over both; an incremental one on top.
        var (full, digest) = await lost.WriteAsync(1, BundleKind.Full, [],
        [
            new SaidKey("long", 0, [.. Enumerable.Range(0, 70).Select(kek => new SaidVersion(kek, kek == 0 ? KeyState.Active : KeyState.Deactivated))]),
            new SaidKey("short", 71, new SaidVersion(71, KeyState.Active)),
        ]);
        var (incremental, _) = await lost.WriteAsync(2, BundleKind.Incremental, digest,
            [new SaidKey("long", 72, new SaidVersion(72, KeyState.Active)), new SaidKey("other", 73, new SaidVersion(73, KeyState.Active))]);
        var open = await NewStoreAsync();
        using var directory = new SoftHsmDirectory();
        await using var token = directory.Open();
        var commits = 0;
        for (var behind = false; ; behind = !behind)
        {
            await using (var store = open())
            {
                var dying = new DyingStore(store) { CommitsLeft = behind ? 1 : 0, Behind = behind };
                try
                {
                    var restored = await RestoreAsync(dying, token, lost, full, incremental);
                    Assert.Equal((3L, 73L, 0L), (restored.Keys.Keys, restored.Keys.Versions, restored.Keys.Destroyed));
                    break;
                }
                catch (DiedException)
                {
                    commits += behind ? 1 : 0;
                }
                catch (StartUpException e) when (e.Code == ExitCode.InUse)
                {
                    Assert.Contains("restored into this store already", e.Message, StringComparison.Ordinal); // it died behind the last commit
                    break;
                }

                if (await Installation.ReadAsync(store, Cancellation) is not null)
                {
                    continue;
                }

                // No server starts on what is half there, and no init.
                var refused = await Assert.ThrowsAsync<StartUpException>(
                    () => ServiceCore.LoadIntegrityKeyAsync(store, token, Configuration(), Cancellation));
                Assert.Equal(ExitCode.NotInitialised, refused.Code);
                Assert.Contains(commits == 0 ? "Run init" : "Run restore again with the same bundles", refused.Message, StringComparison.Ordinal);
            }
        }

        Assert.InRange(commits, 5, 20);
        await using var whole = open();
        var rows = await StartAsync(whole, token, (await Installation.ReadAsync(whole, Cancellation))!);
        var log = await new AuditVerification(new AuditLog(whole, 0), whole, rows).RunAsync(Cancellation);
        Assert.Empty(log.Findings);
        var events = await new AuditLog(whole, 0).ReadAsync(0, 20, Cancellation);
        Assert.Equal(
            [AuditEvent.RestoreBegun, .. Enumerable.Repeat(AuditEvent.KeysRestored, events.Count - 2), AuditEvent.InstallationRestored],
            events.Select(entry => AuditRecord.TryParse(entry.Record, out var record) ? (AuditEvent)record!.EventId : default));
    }

    [Fact]
    public async Task What_does_not_fit_is_refused_and_nothing_is_imported()
    {
        using var lost = await LostBundles.MakeAsync(4);
        var (full, digest) = await lost.WriteAsync(1, BundleKind.Full, [], [new SaidKey("a", 0, new SaidVersion(0, KeyState.Active))]);
        var (incremental, _) = await lost.WriteAsync(2, BundleKind.Incremental, digest, [new SaidKey("b", 1, new SaidVersion(1, KeyState.Active))]);
        var open = await NewStoreAsync();
        using var directory = new SoftHsmDirectory();
        await using (var store = open())
        {
            // A token with another backup key.
            await using (var other = await directory.OpenWithHierarchyAsync())
            {
                var refused = await Assert.ThrowsAsync<StartUpException>(() => RestoreAsync(store, other, lost, full));
                Assert.Contains(other.BackupKeyId!, refused.Message, StringComparison.Ordinal);
                Assert.Contains("nothing was imported", refused.Message, StringComparison.Ordinal);
            }

            // Another backup key than the bundles'.
            using var fresh = new SoftHsmDirectory();
            await using (var token = fresh.Open())
            {
                using var wrong = SecretBuffer.Random(32);
                var chain = await lost.VerifyAsync(full);
                var refused = await Assert.ThrowsAsync<HsmException>(() => new StoreRestore(store, token, wrong, chain).RunAsync(
                    null, Administrator, _ => { }, new Progress<RestoreProgress>(), Cancellation));
                Assert.Contains("Nothing was imported", refused.Message, StringComparison.Ordinal);
                Assert.False(token.HasHierarchy);
            }

            // Begun with one chain, it is not gone on with another, nor on another token.
            fresh.Use();
            await using (var token = fresh.Open())
            {
                await Assert.ThrowsAsync<DiedException>(() => RestoreAsync(new DyingStore(store) { CommitsLeft = 2, Behind = true }, token, lost, full, incremental));
                var other = await Assert.ThrowsAsync<StartUpException>(() => RestoreAsync(store, token, lost, full));
                Assert.Equal(ExitCode.InUse, other.Code);
                Assert.Contains("Give just those again", other.Message, StringComparison.Ordinal);
            }

            using var second = new SoftHsmDirectory();
            await using (var token = second.Open())
            {
                var refused = await Assert.ThrowsAsync<StartUpException>(() => RestoreAsync(store, token, lost, full, incremental));
                Assert.Contains("was begun on token", refused.Message, StringComparison.Ordinal);
                Assert.False(token.HasHierarchy);
            }
        }
    }

    [Fact]
    public async Task A_file_that_changes_behind_its_verification_never_becomes_an_installation()
    {
        using var lost = await LostBundles.MakeAsync(4);
        SaidKey[] keys = [new SaidKey("a", 0, new SaidVersion(0, KeyState.Active)), new SaidKey("b", 1, new SaidVersion(1, KeyState.Active))];
        var (path, _) = await lost.WriteAsync(1, BundleKind.Full, [], keys);
        var (other, _) = await lost.WriteAsync(1, BundleKind.Full, [], [new SaidKey("a", 2, new SaidVersion(2, KeyState.Active)), keys[1]]);
        var reads = 0;
        var chain = await BundleChain.VerifyAsync([new BundleSource("changing", () => File.OpenRead(reads++ == 0 ? path : other))], lost.SigningKey, Cancellation);
        var open = await NewStoreAsync();
        using var directory = new SoftHsmDirectory();
        await using var store = open();
        await using var token = directory.Open();
        var refused = await Assert.ThrowsAsync<BundleException>(() => new StoreRestore(store, token, lost.Token.BackupKey, chain).RunAsync(
            null, Administrator, _ => { }, new Progress<RestoreProgress>(), Cancellation));
        Assert.Contains("changed while it was read", refused.Message, StringComparison.Ordinal);
        Assert.Null(await Installation.ReadAsync(store, Cancellation));
    }

    private static FirstAdministrator Administrator => FirstAdministrator.Of("administrator", "keyservice:principal/administrator", null, null);

    private static ServerConfiguration Configuration()
    {
        var folder = Directory.CreateTempSubdirectory("keyservice-config-").FullName;
        try
        {
            return ConfigurationFile.Load(ServiceFixture.WriteConfig(Path.Combine(folder, "server.json"), port: 1));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<RestoredInstallation> RestoreAsync(IStore store, HsmToken token, LostBundles lost, params string[] paths)
    {
        var chain = await lost.VerifyAsync(paths);
        var begun = await StoreRestore.LookAsync(store, chain, Cancellation);
        return await new StoreRestore(store, token, lost.Token.BackupKey, chain).RunAsync(
            begun, Administrator, _ => { }, new Progress<RestoreProgress>(), Cancellation);
    }

    // As a server does at its start.
    private static async Task<RowAuthenticator> StartAsync(IStore store, HsmToken token, Installation installation)
    {
        var blob = installation.IntegrityKeyBlobs.Single(each => each.TokenId == token.TokenId);
        await token.LoadIntegrityKeyAsync(blob.Blob, blob.CheckValue, Cancellation);
        var rows = new RowAuthenticator(token.MacAsync);
        await Installation.VerifyAsync(store, rows, Cancellation);
        var (count, sum) = await store.ReadAsync(KeyTables.SumKeysAsync, Cancellation);
        await store.ReadAsync(
            async connection =>
            {
                await new RegisterState(rows).VerifyAsync(connection, KeyRing.Register, count, sum, Cancellation);
                return true;
            },
            Cancellation);
        return rows;
    }

    private sealed class DiedException : Exception;

    /// <summary>The process ends before a commit, or behind it before anybody learns of it.</summary>
    private sealed class DyingStore(IStore inner) : IStore
    {
        public int CommitsLeft { get; set; }

        public bool Behind { get; init; }

        public int Slot => inner.Slot;

        public long LastSequence => inner.LastSequence;

        public Task<T> ReadAsync<T>(Func<DbConnection, Task<T>> read, CancellationToken cancellationToken) => inner.ReadAsync(read, cancellationToken);

        public async Task<CommitReceipt> CommitAsync(AuditRecordDraft record, Func<IStoreTransaction, Task>? change, CancellationToken cancellationToken)
        {
            if (CommitsLeft-- <= 0)
            {
                throw new DiedException();
            }

            var receipt = await inner.CommitAsync(record, change, cancellationToken);
            return Behind && CommitsLeft == 0 ? throw new DiedException() : receipt;
        }

        public ValueTask<long> WaitForRecordAsync(long sequence, CancellationToken cancellationToken) => inner.WaitForRecordAsync(sequence, cancellationToken);

        public Task<StoreRole?> TryTakeRoleAsync(string role, CancellationToken cancellationToken) => inner.TryTakeRoleAsync(role, cancellationToken);

        public ValueTask<StoreHealth> ProbeAsync(CancellationToken cancellationToken) => inner.ProbeAsync(cancellationToken);

        public ValueTask DisposeAsync() => default;
    }
}

/// <summary>Into SQLite.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class SqliteStoreRestoreTests : StoreRestoreContract
{
    private readonly List<StoreFile> _files = [];

    private protected override Task<Func<IStore>> NewStoreAsync()
    {
        var file = new StoreFile();
        _files.Add(file);
        return Task.FromResult<Func<IStore>>(() => Open(file));
    }

    // A process that another test starts just now has the lock's descriptor too, between its fork and its exec.
    private static IStore Open(StoreFile file)
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                return file.Open(TimeProvider.System);
            }
            catch (StoreOpenException e) when (e.InUse && attempt < 500)
            {
                Thread.Sleep(10);
            }
        }
    }

    public override void Dispose()
    {
        _files.ForEach(file => file.Dispose());
        base.Dispose();
    }
}

/// <summary>Into PostgreSQL.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class PostgresStoreRestoreTests(PostgresFixture server) : StoreRestoreContract, IClassFixture<PostgresFixture>
{
    private protected override async Task<Func<IStore>> NewStoreAsync()
    {
        var database = await PostgresDatabase.MakeAsync(server);
        return () => database.Open(TimeProvider.System);
    }
}
