using KeyService.Crypto;
using KeyService.Crypto.Backups;
using KeyService.Hsm;
using KeyService.Hsm.Restore;
using KeyService.IntegrationTests.Hsm;
using KeyService.Server.Keys;

namespace KeyService.IntegrationTests.Restore;

/// <summary>Bundles read through a token that keeps nothing of them: what a drill does, on every module.</summary>
public abstract class BundleRestoreContract(TokenDirectory directory)
{
    private const int Keks = 140;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_drill_opens_everything_and_leaves_nothing()
    {
        using var lost = await LostBundles.MakeAsync(Keks);
        var chain = await ChainAsync(lost);
        await using var token = await OpenAsync();
        var told = new List<RestoreProgress>();
        var counts = await new BundleRestore(token, lost.Token.BackupKey, chain).ProveAsync(new Told(told), Cancellation);
        Assert.Equal(new RestoreCounts(5, Keks - 1, 1), counts);
        Assert.Equal(new RestoreProgress(Keks, Keks), told[^1]);
        Assert.True(told.Count >= 3, "told of every batch");
        Assert.Equal(0, token.LoadedKeks);
        Assert.Null(token.BackupKeyId);
        // Its integrity key is none of the token's.
        Assert.Equal(HsmFault.KeyNotLoaded, (await Assert.ThrowsAsync<HsmException>(() => token.MacAsync("row"u8.ToArray(), Cancellation).AsTask())).Fault);
    }

    [Fact]
    public async Task Begun_again_behind_any_batch_it_hands_on_the_rest_and_only_that()
    {
        using var lost = await LostBundles.MakeAsync(Keks);
        var chain = await ChainAsync(lost);
        await using var token = await OpenAsync();
        var restore = new BundleRestore(token, lost.Token.BackupKey, chain);
        var batches = await GatherAsync(restore, after: null);
        Assert.All(batches, batch => Assert.InRange(batch.Keys.Sum(key => key.Versions.Count), 1, BundleRestore.BatchSize));
        var all = batches.SelectMany(Pairs).ToList();
        Assert.Equal(Keks, all.Count);
        for (var done = 1; done <= batches.Count; done++)
        {
            var rest = await GatherAsync(restore, batches[done - 1].End);
            Assert.Equal(all.Skip(batches.Take(done).Sum(batch => Pairs(batch).Count())), rest.SelectMany(Pairs));
        }

        // Each blob is one that a restart would load.
        foreach (var version in batches[0].Keys.SelectMany(key => key.Versions).Where(version => version.Material is not null).Take(3))
        {
            await token.LoadKekAsync(version.Id, version.Material!.RootBlob, version.Material.CheckValue, Cancellation);
        }

        static IEnumerable<(string, KeyVersionId, string)> Pairs(RestoredBatch batch) => batch.Keys.SelectMany(
            key => key.Versions.Select(version => (key.Name, version.Id, version.Material is null ? "" : Convert.ToHexString(version.Material.RootBlob))));
    }

    [Fact]
    public async Task One_bad_version_among_many_ends_it_by_its_name()
    {
        using var lost = await LostBundles.MakeAsync(3);
        // Its blob is another version's: the bundle's signature is good, and still nothing of it is taken.
        lost.Exchange(1, 2);
        var (path, _) = await lost.WriteAsync(1, BundleKind.Full, [],
            [new SaidKey("a", 0, new SaidVersion(0, KeyState.Active)), new SaidKey("b", 1, new SaidVersion(1, KeyState.Active))]);
        await using var token = await OpenAsync();
        var refused = await Assert.ThrowsAsync<HsmException>(
            async () => await new BundleRestore(token, lost.Token.BackupKey, await lost.VerifyAsync(path)).ProveAsync(null, Cancellation));
        Assert.Equal(HsmFault.IntegrityFailure, refused.Fault);
        Assert.Contains($"key version {lost.IdOf(1)} in the bundle opens to another key", refused.Message, StringComparison.Ordinal);

        using var other = SecretBuffer.Random(32);
        var chain = await lost.VerifyAsync(path);
        Assert.Equal(HsmFault.HierarchyConflict, Assert.Throws<HsmException>(() => new BundleRestore(token, other, chain)).Fault);
    }

    private static async Task<BundleChain> ChainAsync(LostBundles lost)
    {
        var (full, digest) = await lost.WriteAsync(1, BundleKind.Full, [],
        [
            new SaidKey("a", 0, new SaidVersion(0, KeyState.Active)),
            new SaidKey("b/long", 1, [.. Enumerable.Range(1, 130).Select(kek => new SaidVersion(kek, KeyState.Deactivated))]),
            new SaidKey("c/none", 131),
            new SaidKey("d", 132, new SaidVersion(131, KeyState.Destroyed), new SaidVersion(132, KeyState.Active)),
        ]);
        var (incremental, _) = await lost.WriteAsync(2, BundleKind.Incremental, digest,
            [new SaidKey("b/long", 133, [.. Enumerable.Range(133, 7).Select(kek => new SaidVersion(kek, KeyState.Active))])]);
        return await lost.VerifyAsync(full, incremental);
    }

    private static async Task<List<RestoredBatch>> GatherAsync(BundleRestore restore, RestorePlace? after)
    {
        var batches = new List<RestoredBatch>();
        await restore.RunAsync(
            (batch, _) =>
            {
                batches.Add(batch);
                return Task.CompletedTask;
            },
            after, null, Cancellation);
        return batches;
    }

    private async Task<HsmToken> OpenAsync()
    {
        var token = directory.Open();
        try
        {
            await token.InitializeHierarchyAsync(backupKeyFile: null, Cancellation);
            return token;
        }
        catch
        {
            await token.DisposeAsync();
            throw;
        }
    }

    private sealed class Told(List<RestoreProgress> told) : IProgress<RestoreProgress>
    {
        public void Report(RestoreProgress value) => told.Add(value);
    }
}

/// <summary>On a fresh SoftHSM token.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class SoftHsmBundleRestoreTests(SoftHsmDirectory directory) : BundleRestoreContract(directory), IClassFixture<SoftHsmDirectory>;

/// <summary>On NSS softokn, another vendor's module.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class NssBundleRestoreTests(NssDirectory directory) : BundleRestoreContract(directory), IClassFixture<NssDirectory>;
