using KeyService.Crypto;
using KeyService.Hsm;

namespace KeyService.IntegrationTests.Hsm;

/// <summary>Key-encryption keys on every module.</summary>
public abstract class KekContract(TokenDirectory directory)
{
    [Fact]
    public async Task A_damaged_blob_and_the_blob_of_another_version_are_refused()
    {
        await using var token = await directory.OpenWithHierarchyAsync();
        var id = KeyVersionId.NewRandom();
        var kek = await token.CreateKekAsync(id);
        var other = await token.CreateKekAsync(KeyVersionId.NewRandom());
        await token.UnloadAsync(id);

        var damaged = kek.RootBlob.ToArray();
        damaged[20] ^= 1;
        await RefusedAsync(damaged, kek.CheckValue);
        await RefusedAsync(other.RootBlob, kek.CheckValue);
        await RefusedAsync(kek.RootBlob, other.CheckValue);
        await RefusedAsync(kek.BackupBlob, kek.CheckValue);
        await RefusedAsync(kek.RootBlob[..40], kek.CheckValue);
        await RefusedAsync([0x02, .. kek.RootBlob.AsSpan(1)], kek.CheckValue);
        await RefusedAsync([], []);
        Assert.False(token.IsLoaded(id));
        Assert.Equal(1, token.LoadedKeks);

        await token.LoadKekAsync(id, kek.RootBlob, kek.CheckValue);
        Assert.True(token.IsLoaded(id));

        async Task RefusedAsync(byte[] blob, byte[] checkValue)
        {
            var refused = await Assert.ThrowsAsync<HsmException>(() => token.LoadKekAsync(id, blob, checkValue).AsTask());
            Assert.Equal(HsmFault.IntegrityFailure, refused.Fault);
        }
    }

    [Fact]
    public async Task A_KEK_of_another_token_does_not_load_here()
    {
        NewKek kek;
        using var other = directory.Another();
        await using (var second = await other.OpenWithHierarchyAsync())
        {
            kek = await second.CreateKekAsync(KeyVersionId.NewRandom());
        }
        await using var first = await directory.OpenWithHierarchyAsync();
        var refused = await Assert.ThrowsAsync<HsmException>(() => first.LoadKekAsync(kek.Id, kek.RootBlob, kek.CheckValue).AsTask());
        Assert.Equal(HsmFault.IntegrityFailure, refused.Fault);
    }

    [Fact]
    public async Task An_unknown_KEK_says_so_and_a_source_supplies_it()
    {
        await using var token = await directory.OpenWithHierarchyAsync();
        var id = KeyVersionId.NewRandom();
        var kek = await token.CreateKekAsync(id);
        await token.UnloadAsync(id);
        var wrapped = new byte[WrappedDataKey.Length];
        var refused = await Assert.ThrowsAsync<HsmException>(() => token.WrapDataKeyAsync(id, new byte[32], default, wrapped).AsTask());
        Assert.Equal(HsmFault.KeyNotLoaded, refused.Fault);
        Assert.Contains(id.ToString(), refused.Message, StringComparison.Ordinal);

        token.KekSource = (asked, _) => ValueTask.FromResult<StoredKek?>(asked == id ? new StoredKek(kek.RootBlob, kek.CheckValue) : null);
        await token.WrapDataKeyAsync(id, new byte[32], default, wrapped);
        Assert.True(await token.UnwrapDataKeyAsync(id, wrapped, default, new byte[32]));
        Assert.Equal(HsmFault.KeyNotLoaded, (await Assert.ThrowsAsync<HsmException>(
            () => token.WrapDataKeyAsync(KeyVersionId.NewRandom(), new byte[32], default, wrapped).AsTask())).Fault);
    }

    [Fact]
    public async Task The_least_recently_used_KEK_leaves_first()
    {
        await using var token = await directory.OpenWithHierarchyAsync(directory.Configuration with { MaxLoadedKeks = 3 });
        var ids = Enumerable.Range(0, 4).Select(_ => KeyVersionId.NewRandom()).ToArray();
        var wrapped = new byte[WrappedDataKey.Length];
        await token.CreateKekAsync(ids[0]);
        await token.CreateKekAsync(ids[1]);
        await token.CreateKekAsync(ids[2]);
        await token.WrapDataKeyAsync(ids[0], new byte[32], default, wrapped);
        await token.CreateKekAsync(ids[3]);
        Assert.Equal([true, false, true, true], ids.Select(token.IsLoaded));
        Assert.Equal(3, token.LoadedKeks);
    }

    [Fact]
    public async Task Eviction_under_concurrent_use_never_takes_a_key_from_under_an_operation()
    {
        await using var token = await directory.OpenWithHierarchyAsync(directory.Configuration with { MaxLoadedKeks = 2, MaxConcurrency = 4 });
        var stored = new Dictionary<KeyVersionId, StoredKek>();
        for (var i = 0; i < 6; i++)
        {
            var kek = await token.CreateKekAsync(KeyVersionId.NewRandom());
            stored.Add(kek.Id, new StoredKek(kek.RootBlob, kek.CheckValue));
        }
        token.KekSource = (id, _) => ValueTask.FromResult<StoredKek?>(stored[id]);
        var ids = stored.Keys.ToArray();
        await Task.WhenAll(Enumerable.Range(0, 4).Select(worker => Task.Run(async () =>
        {
            var random = new Random(worker);
            var wrapped = new byte[WrappedDataKey.Length];
            var plaintext = new byte[32];
            var opened = new byte[32];
            for (var round = 0; round < 150; round++)
            {
                var id = ids[random.Next(ids.Length)];
                random.NextBytes(plaintext);
                await token.WrapDataKeyAsync(id, plaintext, default, wrapped);
                Assert.True(await token.UnwrapDataKeyAsync(id, wrapped, default, opened));
                Assert.Equal(plaintext, opened);
            }
        })));
        Assert.Equal(2, token.LoadedKeks);
    }

    [Fact]
    public async Task Many_KEKs_are_made_loaded_again_and_each_opens_its_own()
    {
        var keks = new List<(NewKek Kek, byte[] Wrapped)>();
        var plaintext = new byte[32];
        await using (var token = await directory.OpenWithHierarchyAsync())
        {
            for (var i = 0; i < directory.ManyKeys; i++)
            {
                var kek = await token.CreateKekAsync(KeyVersionId.NewRandom());
                var wrapped = new byte[WrappedDataKey.Length];
                BitConverter.TryWriteBytes(plaintext, i);
                await token.WrapDataKeyAsync(kek.Id, plaintext, default, wrapped);
                keks.Add((kek, wrapped));
            }
            Assert.Equal(directory.ManyKeys, token.LoadedKeks);
        }
        await using var again = directory.Open();
        for (var i = 0; i < keks.Count; i++)
        {
            var (kek, wrapped) = keks[i];
            await again.LoadKekAsync(kek.Id, kek.RootBlob, kek.CheckValue);
            Assert.True(await again.UnwrapDataKeyAsync(kek.Id, wrapped, default, plaintext));
            Assert.Equal(i, BitConverter.ToInt32(plaintext));
        }
        Assert.Equal(directory.ManyKeys, again.LoadedKeks);
    }
}

/// <summary>On SoftHSM.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class SoftHsmKekTests(SoftHsmDirectory directory) : KekContract(directory), IClassFixture<SoftHsmDirectory>;

/// <summary>On HsmSim over SoftHSM.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class HsmSimKekTests(SimulatedDirectory directory) : KekContract(directory), IClassFixture<SimulatedDirectory>;

/// <summary>On NSS softokn.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class NssKekTests(NssDirectory directory) : KekContract(directory), IClassFixture<NssDirectory>;
