using System.Collections.Concurrent;
using KeyService.Crypto;
using KeyService.Hsm;
using KeyService.Hsm.Pkcs11;
using KeyService.Hsm.Sessions;

namespace KeyService.IntegrationTests.Hsm;

[Collection(SoftHsmInProcess.Name)]
public sealed class RecoveryTests : IDisposable
{
    private static readonly byte[] Aad = [1, 2, 3];
    private readonly SoftHsmDirectory directory = new();

    public void Dispose() => directory.Dispose();

    [Fact]
    public async Task A_lost_token_directory_is_noticed_and_everything_works_again_when_it_is_back()
    {
        var events = new ConcurrentQueue<HsmEvent>();
        await using var token = await directory.OpenWithHierarchyAsync(events: events.Enqueue);
        var id = KeyVersionId.NewRandom();
        await token.CreateKekAsync(id);
        await token.CreateIntegrityKeyAsync();
        var mac = await token.MacAsync(Aad);
        var publicKey = await token.GetSigningKeyAsync("checkpoints");
        var wrapped = new byte[WrappedDataKey.Length];
        await token.WrapDataKeyAsync(id, new byte[32], Aad, wrapped);
        var generation = token.Generation;

        Directory.Move(directory.Tokens, directory.Tokens + ".away");
        var lost = await token.ProbeAsync();
        Assert.Equal(HsmState.Lost, lost.State);
        Assert.NotNull(lost.Failure);
        Assert.True(token.HasHierarchy); // what was known of it stays known
        Assert.NotNull(token.BackupKeyId);
        var refused = await Assert.ThrowsAsync<HsmException>(() => token.UnwrapDataKeyAsync(id, wrapped, Aad, new byte[32]).AsTask());
        Assert.Equal(HsmFault.Unavailable, refused.Fault);
        Assert.Equal(HsmFault.Unavailable, (await Assert.ThrowsAsync<HsmException>(() => token.RandomAsync(new byte[8]).AsTask())).Fault);

        Directory.Move(directory.Tokens + ".away", directory.Tokens);
        var opened = new byte[32];
        Assert.True(await token.UnwrapDataKeyAsync(id, wrapped, Aad, opened)); // no probe needed: the call reconnects
        Assert.Equal(new byte[32], opened);
        Assert.True(await token.VerifyMacAsync(Aad, mac));
        Assert.Equal(publicKey, await token.GetSigningKeyAsync("checkpoints"));
        Assert.True(token.Generation > generation);
        Assert.Equal(HsmState.Healthy, (await token.ProbeAsync()).State);
        Assert.Contains(events, e => e.Kind == HsmEventKind.Lost);
        Assert.Contains(events, e => e.Kind == HsmEventKind.ReconnectFailed);
        Assert.Contains(events, e => e.Kind == HsmEventKind.Reconnected);
    }

    [Fact]
    public async Task A_token_replaced_by_one_with_another_root_stays_lost()
    {
        await using var token = await directory.OpenWithHierarchyAsync();
        var pin = await File.ReadAllBytesAsync(directory.PinFile);
        using var impostor = new SoftHsmDirectory();
        // Same label, same PIN, its own root key under the same label.
        Directory.Move(directory.Tokens, directory.Tokens + ".away");
        directory.Use();
        Directory.CreateDirectory(directory.Tokens);
        Assert.False((await token.ProbeAsync()).IsHealthy);
        var configuration = directory.Configuration;
        directory.AddToken(SoftHsmDirectory.Label);
        Assert.Equal(pin, await File.ReadAllBytesAsync(directory.PinFile));
        var withoutRoot = await token.ProbeAsync();
        Assert.Equal(HsmFault.HierarchyMissing, Assert.IsType<HsmException>(withoutRoot.Failure!.InnerException).Fault);

        await using (var second = HsmToken.Open(configuration))
        {
            await second.InitializeHierarchyAsync(null);
        }
        var otherRoot = await token.ProbeAsync();
        Assert.Equal(HsmState.Lost, otherRoot.State);

        Directory.Delete(directory.Tokens, recursive: true);
        Directory.Move(directory.Tokens + ".away", directory.Tokens);
        Assert.True((await token.ProbeAsync()).IsHealthy);
    }

    [Fact]
    public async Task Operations_go_on_while_the_module_is_finalised_and_initialised_again_and_again()
    {
        await using var token = await directory.OpenWithHierarchyAsync(directory.Configuration with { MaxConcurrency = 4 });
        var id = KeyVersionId.NewRandom();
        await token.CreateKekAsync(id);
        using var stop = new CancellationTokenSource();
        var done = 0;
        var workers = Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            var wrapped = new byte[20 * WrappedDataKey.Length];
            var plaintexts = new byte[20 * 32];
            var opened = new byte[32];
            while (!stop.IsCancellationRequested)
            {
                await token.GenerateDataKeysAsync(id, 20, _ => Aad, plaintexts, wrapped);
                Assert.True(await token.UnwrapDataKeyAsync(id, wrapped.AsMemory(0, WrappedDataKey.Length), Aad, opened));
                Assert.Equal(plaintexts[..32], opened);
                Interlocked.Increment(ref done);
            }
        })).ToArray();

        var module = Pkcs11Module.Acquire(Infrastructure.SoftHsmModule, null);
        for (var round = 0; round < 30; round++)
        {
            var before = Volatile.Read(ref done);
            while (Volatile.Read(ref done) == before && !workers.Any(worker => worker.IsCompleted))
            {
                await Task.Yield(); // each round meets operations under way
            }
            using (await module.Gate.CloseAsync(TimeSpan.FromSeconds(30), TimeProvider.System, default))
            {
                module.Reinitialize();
            }
        }
        await stop.CancelAsync();
        await Task.WhenAll(workers);
        using (await module.Gate.CloseAsync(TimeSpan.FromSeconds(30), TimeProvider.System, default))
        {
            module.Release();
        }
        Assert.True(token.Generation > 30);
        Assert.True((await token.ProbeAsync()).IsHealthy);
    }

    [Fact]
    public async Task A_token_that_comes_and_goes_under_load_gives_right_answers_or_says_unavailable()
    {
        await using var token = await directory.OpenWithHierarchyAsync(directory.Configuration with { MaxConcurrency = 3 });
        var id = KeyVersionId.NewRandom();
        await token.CreateKekAsync(id);
        await token.CreateIntegrityKeyAsync();
        var mac = await token.MacAsync(Aad);
        using var stop = new CancellationTokenSource();
        var (answers, refusals) = (0, 0);
        var workers = Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            var wrapped = new byte[WrappedDataKey.Length];
            var plaintext = new byte[32];
            var opened = new byte[32];
            while (!stop.IsCancellationRequested)
            {
                try
                {
                    await token.GenerateDataKeysAsync(id, 1, _ => Aad, plaintext, wrapped);
                    Assert.True(await token.UnwrapDataKeyAsync(id, wrapped, Aad, opened));
                    Assert.Equal(plaintext, opened);
                    Assert.True(await token.VerifyMacAsync(Aad, mac));
                    Interlocked.Increment(ref answers);
                }
                catch (HsmException exception)
                {
                    Assert.Equal(HsmFault.Unavailable, exception.Fault);
                    Interlocked.Increment(ref refusals);
                }
            }
        })).ToArray();
        for (var round = 0; round < 6; round++)
        {
            Directory.Move(directory.Tokens, directory.Tokens + ".away");
            Assert.False((await token.ProbeAsync()).IsHealthy);
            var refused = Volatile.Read(ref refusals);
            while (Volatile.Read(ref refusals) == refused && !workers.Any(worker => worker.IsFaulted))
            {
                await Task.Yield();
            }
            Directory.Move(directory.Tokens + ".away", directory.Tokens);
            var answered = Volatile.Read(ref answers);
            while (Volatile.Read(ref answers) == answered && !workers.Any(worker => worker.IsFaulted))
            {
                await Task.Yield();
            }
        }
        await stop.CancelAsync();
        await Task.WhenAll(workers);
        Assert.Equal(HsmState.Healthy, (await token.ProbeAsync()).State);
    }

    [Fact]
    public async Task A_handle_of_an_earlier_generation_is_never_given_to_the_module()
    {
        await using var token = await directory.OpenWithHierarchyAsync();
        var module = Pkcs11Module.Acquire(Infrastructure.SoftHsmModule, null);
        try
        {
            var (slot, _) = KeyService.Hsm.Login.TokenLocator.Find(module, SoftHsmDirectory.Label, null);
            var session = new HsmSession(module, slot, readWrite: false);
            var stale = new KeyHandle(1, session.Generation - 1);
            var refused = Assert.Throws<HsmException>(() => session.GcmEncrypt(stale, new byte[12], [], new byte[16], new byte[32]));
            Assert.Equal((HsmFault.Unavailable, ""), (refused.Fault, refused.Function));
            Assert.Throws<HsmException>(() => session.GcmDecrypt(stale, new byte[12], [], new byte[32], new byte[32]));
            Assert.Throws<HsmException>(() => session.Destroy(stale));
            session.Close();
        }
        finally
        {
            module.Release();
        }
    }

    [Fact]
    public async Task An_IV_that_is_not_12_bytes_never_reaches_the_module()
    {
        await using var token = await directory.OpenWithHierarchyAsync();
        var module = Pkcs11Module.Acquire(Infrastructure.SoftHsmModule, null);
        try
        {
            var (slot, _) = KeyService.Hsm.Login.TokenLocator.Find(module, SoftHsmDirectory.Label, null);
            var session = new HsmSession(module, slot, readWrite: false);
            var key = new KeyHandle(1, session.Generation);
            foreach (var length in new[] { 0, 8, 11, 13, 16 })
            {
                Assert.Throws<ArgumentException>(() => session.GcmEncrypt(key, new byte[length], [], new byte[16], new byte[32]));
                Assert.Throws<ArgumentException>(() => session.GcmDecrypt(key, new byte[length], [], new byte[32], new byte[32]));
            }
            Assert.Throws<ArgumentException>(() => session.GcmEncrypt(key, new byte[12], [], new byte[16], new byte[31]));
            Assert.Throws<ArgumentException>(() => session.GcmDecrypt(key, new byte[12], [], new byte[32], new byte[31]));
            session.Close();
        }
        finally
        {
            module.Release();
        }
    }

    [Fact]
    public async Task Two_tokens_of_one_module_each_come_back_when_the_other_reconnects()
    {
        directory.AddToken("second");
        await using var first = await directory.OpenWithHierarchyAsync();
        await using var second = directory.Open(directory.Configuration with { TokenLabel = "second", PinFile = directory.PinFileOf("second") });
        await second.InitializeHierarchyAsync(directory.BackupKeyFile);
        var (a, b) = (KeyVersionId.NewRandom(), KeyVersionId.NewRandom());
        await first.CreateKekAsync(a);
        await second.CreateKekAsync(b);
        var wrapped = new byte[WrappedDataKey.Length];
        Directory.Move(directory.Tokens, directory.Tokens + ".away");
        Assert.False((await first.ProbeAsync()).IsHealthy);
        Directory.Move(directory.Tokens + ".away", directory.Tokens);
        Assert.True((await first.ProbeAsync()).IsHealthy);
        var generation = first.Generation;
        await second.WrapDataKeyAsync(b, new byte[32], Aad, wrapped);
        Assert.True(await second.UnwrapDataKeyAsync(b, wrapped, Aad, new byte[32]));
        await first.WrapDataKeyAsync(a, new byte[32], Aad, wrapped);
        Assert.Equal(generation, first.Generation);
    }

    [Fact]
    public async Task After_the_last_token_is_closed_the_module_is_free_for_another_directory()
    {
        await using (await directory.OpenWithHierarchyAsync())
        {
        }
        using var other = new SoftHsmDirectory();
        await using var token = other.Open();
        Assert.Equal(other.Serial, token.TokenId);
    }

    [Fact]
    public async Task Closing_a_busy_token_ends_every_call_and_leaves_the_module_free()
    {
        for (var round = 0; round < 5; round++)
        {
            var token = await directory.OpenWithHierarchyAsync(directory.Configuration with { MaxConcurrency = 2 });
            var id = KeyVersionId.NewRandom();
            await token.CreateKekAsync(id);
            var started = 0;
            var workers = Enumerable.Range(0, 6).Select(_ => Task.Run(async () =>
            {
                var wrapped = new byte[WrappedDataKey.Length];
                while (true)
                {
                    await token.WrapDataKeyAsync(id, new byte[32], Aad, wrapped);
                    Interlocked.Increment(ref started);
                }
            })).ToArray();
            while (Volatile.Read(ref started) < 50)
            {
                await Task.Yield();
            }
            await token.DisposeAsync();
            foreach (var worker in workers)
            {
                await Assert.ThrowsAsync<ObjectDisposedException>(() => worker);
            }
        }
        using var other = new SoftHsmDirectory(); // would be refused if a late call had brought the module back to life
        await using var next = other.Open();
    }

    [Fact]
    public async Task A_closed_token_refuses_calls()
    {
        var token = await directory.OpenWithHierarchyAsync();
        await token.DisposeAsync();
        await token.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => token.RandomAsync(new byte[8]).AsTask());
    }
}
