using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Hsm;
using KeyService.IntegrationTests.Hsm;
using KeyService.Server.Audit;
using KeyService.Server.Keys;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;

namespace KeyService.IntegrationTests.Service;

/// <summary>The key ring over a real store and a real token in this process, for what cannot be reached or seen through a running
/// server.</summary>
internal sealed class KeyRingInProcess : IAsyncDisposable
{
    private KeyRingInProcess(HsmToken token, SqliteStore store, RowAuthenticator rows)
    {
        Token = token;
        Store = store;
        Rows = rows;
        Ring = new KeyRing(store, rows, token);
    }

    public HsmToken Token { get; }

    public SqliteStore Store { get; }

    public RowAuthenticator Rows { get; }

    public KeyRing Ring { get; private set; }

    public static async Task<KeyRingInProcess> StartAsync(SoftHsmDirectory softHsm)
    {
        var token = await softHsm.OpenWithHierarchyAsync();
        var path = Path.Combine(softHsm.Path, $"{Guid.NewGuid():N}.db");
        var store = SqliteStore.Open(new SqliteStoreOptions { Path = path, Mode = StoreMode.Create }, TimeProvider.System);
        var macKey = RandomNumberGenerator.GetBytes(32);
        var rows = new RowAuthenticator((row, _) => new ValueTask<byte[]>(HMACSHA256.HashData(macKey, row.Span)));
        await store.CommitAsync(
            new AuditRecordDraft(AuditEvent.InstallationCreated), transaction =>
                new RegisterState(rows).CreateAsync(transaction, KeyRing.Register), default);
        return new KeyRingInProcess(token, store, rows);
    }

    /// <summary>What a restart of the server does to the ring: nothing is in memory.</summary>
    public void Restart()
    {
        Ring.Dispose();
        Ring = new KeyRing(Store, Rows, Token);
    }

    public async Task<KeyVersionId> CreateAsync(string name)
    {
        Assert.True(KeyName.TryParse(name, out var keyName));
        var maker = new KeyMaker(Token, Rows);
        var version = await maker.MakeAsync(default);
        await Store.CommitAsync(
            new AuditRecordDraft(AuditEvent.KeyCreated),
            transaction => new KeyChanges(Ring, maker, Rows).CreateAsync(transaction, keyName, KeyPurpose.EncryptDecrypt,
                RotationPolicy.Default, version),
            default);
        return version.Id;
    }

    public async Task<KeyVersionId> RotateAsync(string name)
    {
        Assert.True(KeyName.TryParse(name, out var keyName));
        var maker = new KeyMaker(Token, Rows);
        var version = await maker.MakeAsync(default);
        await Store.CommitAsync(
            new AuditRecordDraft(AuditEvent.KeyRotated),
            transaction => new KeyChanges(Ring, maker, Rows).RotateAsync(transaction, keyName, version),
            default);
        return version.Id;
    }

    public async ValueTask DisposeAsync()
    {
        Ring.Dispose();
        await Store.DisposeAsync();
        await Token.DisposeAsync();
    }
}
