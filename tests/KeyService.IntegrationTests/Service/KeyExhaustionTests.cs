using KeyService.Crypto;
using KeyService.IntegrationTests.Hsm;
using KeyService.Protocol.V1;
using KeyService.Server.Audit;
using KeyService.Server.DataKeys;
using KeyService.Server.Keys;
using KeyService.Server.Pipeline;

namespace KeyService.IntegrationTests.Service;

/// <summary>What a service reaches only after four thousand million calls.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class KeyExhaustionTests(SoftHsmDirectory softHsm) : IClassFixture<SoftHsmDirectory>
{
    private static readonly Server.DataKeys.DataKeyBinding Binding = new(AadPurpose.DataKeyGeneral, [], EncryptionContext.Empty);

    [Fact]
    public async Task At_2_to_the_32_wraps_a_version_refuses_until_it_is_rotated()
    {
        await using var keys = await KeyRingInProcess.StartAsync(softHsm);
        var id = await keys.CreateAsync("exhausted");
        await keys.Store.CommitAsync(
            new AuditRecordDraft(AuditEvent.KeyWrapsReserved),
            transaction => new KeyMaterialTables(keys.Rows).PutWrapCountAsync(transaction,
                new WrapCountRow(id, WrapBudget.Limit - 10, Revision: 2)),
            default);

        // The next start of the server finds ten wraps left.
        keys.Restart();
        var maker = new DataKeyMaker(keys.Ring, keys.Token, TimeProvider.System);
        await GenerateAsync(maker, 6);
        Assert.Equal(Reason.KeyExhausted, (await Assert.ThrowsAsync<Refusal>(() => GenerateAsync(maker, 5))).Reason);
        await GenerateAsync(maker, 4);
        Assert.Equal(Reason.KeyExhausted, (await Assert.ThrowsAsync<Refusal>(() => GenerateAsync(maker, 1))).Reason);

        Assert.NotEqual(id, await keys.RotateAsync("exhausted"));
        await GenerateAsync(maker, 1000);
    }

    private static async Task GenerateAsync(DataKeyMaker maker, int count)
    {
        var version = await maker.FindForWrappingAsync("exhausted", default);
        using var plaintexts = new PlaintextKeys(count);
        await maker.GenerateAsync(version, Binding, null, count, plaintexts, new byte[count * WrappedDataKey.Length], default);
    }
}
