using KeyService.Crypto;
using KeyService.IntegrationTests.Hsm;
using KeyService.Server.Audit;
using KeyService.Server.Keys;
using KeyService.Server.Pipeline;

namespace KeyService.IntegrationTests.Service;

/// <summary>A version that was destroyed: nothing of its keys is left in the store, and nothing is done with it any more.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class DestroyedVersionTests(SoftHsmDirectory softHsm) : IClassFixture<SoftHsmDirectory>
{
    [Fact]
    public async Task Its_wrapped_keys_are_overwritten_and_it_processes_nothing_also_after_a_restart()
    {
        await using var keys = await KeyRingInProcess.StartAsync(softHsm);
        var old = await keys.CreateAsync("doomed");
        var active = await keys.RotateAsync("doomed");
        Assert.True((await keys.Ring.FindVersionAsync(old, default))!.Row.MayProcess);

        await DestroyAsync(keys, old);

        foreach (var restarted in new[] { false, true })
        {
            if (restarted)
            {
                keys.Restart();
            }

            Assert.Equal((KeyState.Destroyed, false), (await keys.Ring.FindVersionAsync(old, default)) is { Row: var row } ? (row.State, row.MayProcess) : default);
            Assert.True((await keys.Ring.FindVersionAsync(active, default))!.Row.MayProcess);
        }

        var material = new KeyMaterialTables(keys.Rows);
        Assert.Empty((await keys.Store.ReadAsync(connection => material.FindBlobAsync(connection, old, keys.Token.TokenId, default), default))!.Blob);
        Assert.Empty((await keys.Store.ReadAsync(connection => material.GetBulkKeyAsync(connection, old, default), default)).Wrapped);
        Assert.NotEmpty((await keys.Store.ReadAsync(connection => material.FindBlobAsync(connection, active, keys.Token.TokenId, default), default))!.Blob);
        Assert.Equal(["Destroyed", "Active"], (await keys.VersionsAsync("doomed")).OrderBy(version => version.CreateTime).Select(version => version.State.ToString()));
    }

    [Fact]
    public async Task One_that_is_active_is_not_destroyed()
    {
        await using var keys = await KeyRingInProcess.StartAsync(softHsm);
        var active = await keys.CreateAsync("alive");
        var refusal = await Assert.ThrowsAsync<Refusal>(() => DestroyAsync(keys, active));
        Assert.Contains("cannot become destroyed", refusal.Message, StringComparison.Ordinal);
        Assert.True((await keys.Ring.FindVersionAsync(active, default))!.Row.MayProcess);
    }

    private static Task DestroyAsync(KeyRingInProcess keys, KeyVersionId version) => keys.Store.CommitAsync(
        new AuditRecordDraft(AuditEvent.KeyVersionsDestroyed),
        async transaction =>
        {
            var name = (await keys.Ring.FindVersionAsync(version, default))!.Row.KeyName;
            await keys.Changes.DestroyAsync(transaction, name, [version], new StateChange(transaction.Time, "administrator", "no patient left"));
        },
        default);
}
