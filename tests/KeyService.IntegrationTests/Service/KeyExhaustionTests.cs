using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Hsm;
using KeyService.IntegrationTests.Hsm;
using KeyService.Protocol.V1;
using KeyService.Server.Audit;
using KeyService.Server.DataKeys;
using KeyService.Server.Keys;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;
using KeyPurpose = KeyService.Server.Keys.KeyPurpose;
using RotationPolicy = KeyService.Server.Keys.RotationPolicy;

namespace KeyService.IntegrationTests.Service;

/// <summary>The key ring over a real store and a real token in this process: what a whole service reaches only after four thousand million calls.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class KeyExhaustionTests(SoftHsmDirectory softHsm) : IClassFixture<SoftHsmDirectory>
{
    private static readonly Server.DataKeys.DataKeyBinding Binding = new(AadPurpose.DataKeyGeneral, [], EncryptionContext.Empty);

    [Fact]
    public async Task At_2_to_the_32_wraps_a_version_refuses_until_it_is_rotated()
    {
        var path = Path.Combine(softHsm.Path, $"{Guid.NewGuid():N}.db");
        await using var token = await softHsm.OpenWithHierarchyAsync();
        await using var store = SqliteStore.Open(new SqliteStoreOptions { Path = path, Mode = SqliteStoreMode.Create }, TimeProvider.System);
        var macKey = RandomNumberGenerator.GetBytes(32);
        var rows = new RowAuthenticator((row, _) => new ValueTask<byte[]>(HMACSHA256.HashData(macKey, row.Span)));
        await store.CommitAsync(new AuditRecordDraft(AuditEvent.InstallationCreated), transaction => new RegisterState(rows).CreateAsync(transaction, KeyRing.Register), default);
        Assert.True(KeyName.TryParse("exhausted", out var name));

        KeyVersionId id;
        using (var ring = new KeyRing(store, rows, token))
        {
            id = await CreateAsync(store, rows, token, ring, name);
            var material = new KeyMaterialTables(rows);
            await store.CommitAsync(
                new AuditRecordDraft(AuditEvent.KeyWrapsReserved),
                transaction => material.PutWrapCountAsync(transaction, new WrapCountRow(id, WrapBudget.Limit - 10, Revision: 7)),
                default);
        }

        // The next start of the server finds ten wraps left.
        using var next = new KeyRing(store, rows, token);
        var maker = new DataKeyMaker(next, token, TimeProvider.System);
        await GenerateAsync(maker, name, 6);
        Assert.Equal(Reason.KeyExhausted, (await Assert.ThrowsAsync<Refusal>(() => GenerateAsync(maker, name, 5))).Reason);
        await GenerateAsync(maker, name, 4);
        Assert.Equal(Reason.KeyExhausted, (await Assert.ThrowsAsync<Refusal>(() => GenerateAsync(maker, name, 1))).Reason);

        var newId = await RotateAsync(store, rows, token, next, name);
        Assert.NotEqual(id, newId);
        await GenerateAsync(maker, name, 1000);
    }

    private static async Task GenerateAsync(DataKeyMaker maker, KeyName name, int count)
    {
        var version = await maker.FindForWrappingAsync(name.Value, default);
        using var plaintexts = new PlaintextKeys(count);
        await maker.GenerateAsync(version, Binding, null, count, plaintexts, new byte[count * WrappedDataKey.Length], default);
    }

    private static async Task<KeyVersionId> CreateAsync(IStore store, RowAuthenticator rows, HsmToken token, KeyRing ring, KeyName name)
    {
        var maker = new KeyMaker(token, rows);
        var changes = new KeyChanges(ring, maker, rows);
        var version = await maker.MakeAsync(default);
        await store.CommitAsync(
            new AuditRecordDraft(AuditEvent.KeyCreated),
            transaction => changes.CreateAsync(transaction, name, KeyPurpose.EncryptDecrypt, RotationPolicy.Default, version),
            default);
        return version.Id;
    }

    private static async Task<KeyVersionId> RotateAsync(IStore store, RowAuthenticator rows, HsmToken token, KeyRing ring, KeyName name)
    {
        var maker = new KeyMaker(token, rows);
        var version = await maker.MakeAsync(default);
        await store.CommitAsync(
            new AuditRecordDraft(AuditEvent.KeyRotated),
            transaction => new KeyChanges(ring, maker, rows).RotateAsync(transaction, name, version),
            default);
        return version.Id;
    }
}
