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
    private KeyRingInProcess(HsmToken token, SqliteStore store, RowAuthenticator rows, ContextDigests contexts, TimeProvider time)
    {
        Time = time;
        Token = token;
        Store = store;
        Rows = rows;
        Contexts = contexts;
        Ring = new KeyRing(store, rows, token, time, capacity: 1000);
    }

    public TimeProvider Time { get; }

    public HsmToken Token { get; }

    public SqliteStore Store { get; }

    public RowAuthenticator Rows { get; }

    public ContextDigests Contexts { get; }

    public KeyRing Ring { get; private set; }

    public static async Task<KeyRingInProcess> StartAsync(SoftHsmDirectory softHsm, TimeProvider? time = null)
    {
        var token = await softHsm.OpenWithHierarchyAsync();
        var path = Path.Combine(softHsm.Path, $"{Guid.NewGuid():N}.db");
        var store = SqliteStore.Open(new SqliteStoreOptions { Path = path, Mode = StoreMode.Create }, time ?? TimeProvider.System);
        var macKey = RandomNumberGenerator.GetBytes(32);
        var rows = new RowAuthenticator((row, _) => new ValueTask<byte[]>(HMACSHA256.HashData(macKey, row.Span)));
        await store.CommitAsync(
            new AuditRecordDraft(AuditEvent.InstallationCreated), transaction =>
                new RegisterState(rows).CreateAsync(transaction, KeyRing.Register), default);
        return new KeyRingInProcess(token, store, rows, await ContextDigests.DeriveAsync(rows, new byte[16], default), time ?? TimeProvider.System);
    }

    /// <summary>What a restart of the server does to the ring: nothing is in memory.</summary>
    public void Restart()
    {
        Ring.Dispose();
        Ring = new KeyRing(Store, Rows, Token, Time, capacity: 1000);
    }

    public KeyMaker Maker => new(Token, Rows);

    public KeyChanges Changes => new(Ring, Maker, Rows);

    public async Task<KeyVersionId> CreateAsync(string name, RotationPolicy? policy = null, KeyState state = KeyState.Active)
    {
        Assert.True(KeyName.TryParse(name, out var keyName));
        var version = await Maker.MakeAsync(default);
        await Store.CommitAsync(
            new AuditRecordDraft(AuditEvent.KeyCreated),
            transaction => Changes.CreateAsync(transaction, keyName, KeyPurpose.EncryptDecrypt, policy ?? RotationPolicy.Default, version, state,
                "administrator"),
            default);
        return version.Id;
    }

    /// <summary>The key's row as the store has it, verified.</summary>
    public async Task<KeyRow> RowAsync(string name) =>
        (await Store.ReadAsync(connection => new KeyTables(Rows).FindKeyAsync(connection, null, name, default), default))!;

    /// <summary>All versions as the store has them, verified, newest first.</summary>
    public Task<IReadOnlyList<KeyVersionRow>> VersionsAsync(string name) => Store.ReadAsync(
        connection => new KeyTables(Rows).ListVersionsAsync(connection, name, long.MaxValue, long.MaxValue, 1000, default), default);

    public async Task<KeyVersionId> RotateAsync(string name)
    {
        var version = await Maker.MakeAsync(default);
        await Store.CommitAsync(
            new AuditRecordDraft(AuditEvent.KeyRotated),
            transaction => Changes.RotateAsync(
                transaction, name, version, new StateChange(transaction.Time, "administrator", "rotated on demand")),
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
