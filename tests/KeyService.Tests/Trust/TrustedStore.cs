using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;
using KeyService.Server.Trust;
using KeyService.Tests.Storage;

namespace KeyService.Tests.Trust;

/// <summary>A store with an administrator, two more principals and three grants, one of them revoked; all of it on record.</summary>
internal sealed class TrustedStore : IAsyncDisposable
{
    private TrustedStore(StoreFile file, SqliteStore store, AccessRegister register, TestTime time)
    {
        Time = time;
        File = file;
        Store = store;
        Register = register;
        Administration = new AccessAdministration(register, Rows, Time);
    }

    public StoreFile File { get; }

    public SqliteStore Store { get; private set; }

    public AccessRegister Register { get; private set; }

    public AccessAdministration Administration { get; private set; }

    public TestTime Time { get; }

    public RowAuthenticator Rows { get; private set; } = SoftwareRows.Of();

    /// <summary>Where the scrub keeps what it read.</summary>
    public string ScrubFolder => Path.Combine(File.Folder, "scrub");

    /// <summary>The grant that is revoked.</summary>
    public Grant Revoked { get; private set; } = null!;

    /// <param name="rememberOld">Keeps the rows as they were before one grant was revoked, as a thief of an old copy has them.</param>
    public static async Task<TrustedStore> MakeAsync(bool rememberOld = true)
    {
        var file = new StoreFile();
        var time = new TestTime();
        var store = file.Open(time);
        await SoftwareRows.InstallAsync(store, SoftwareRows.Of());
        var made = new TrustedStore(file, store, await AccessRegister.LoadAsync(store, SoftwareRows.Of(), time, CancellationToken.None), time);
        await made.CreatePrincipalAsync("ehr-database", 2000);
        await made.CreatePrincipalAsync("backup", 2001);
        await made.ChangeAsync(transaction => made.Administration.CreateGrantAsync(transaction, Request("ehr-database", "ehr/*")));
        var granted = await made.ChangeAsync(transaction => made.Administration.CreateGrantAsync(transaction, Request("ehr-database", "*")));
        if (rememberOld)
        {
            file.Edit("CREATE TABLE old_grants AS SELECT * FROM grants; CREATE TABLE old_state AS SELECT * FROM register_state");
        }

        made.Revoked = await made.ChangeAsync(transaction => made.Administration.RevokeGrantAsync(transaction, granted.Id, granted.IdText));
        return made;
    }

    public Task<Principal> CreatePrincipalAsync(string name, uint uid) =>
        ChangeAsync(transaction => Administration.CreatePrincipalAsync(transaction, name, PrincipalType.Service, Credential.OfUid(uid)));

    public async Task<T> ChangeAsync<T>(Func<IStoreTransaction, Task<T>> change)
    {
        T result = default!;
        await Store.CommitAsync(new AuditRecordDraft(AuditEvent.GrantCreated), async transaction => result = await change(transaction), CancellationToken.None);
        return result;
    }

    public Scrub Scrub() => new(Store, Rows, DecidingTables.All, ScrubFolder, Time);

    public Task<ScrubReport> ScrubAsync(bool keep = true) => Scrub().RunAsync(keep, CancellationToken.None);

    /// <summary>As a restart does it: closed, then opened and loaded by a process that has seen nothing.</summary>
    public async Task ReopenAsync(Action? between = null)
    {
        await Store.DisposeAsync();
        between?.Invoke();
        Rows = SoftwareRows.Of();
        Store = File.Open(Time);
        Administration.Dispose();
        Register = await AccessRegister.LoadAsync(Store, Rows, Time, CancellationToken.None);
        Administration = new AccessAdministration(Register, Rows, Time);
    }

    public static GrantRequest Request(string principal, string keys)
    {
        KeyPattern.TryParse(keys, out var pattern);
        return new GrantRequest(principal, [Permission.Encrypt], pattern, KeyService.Crypto.EncryptionContext.Empty, null);
    }

    public async ValueTask DisposeAsync()
    {
        Administration.Dispose();
        await Store.DisposeAsync();
        File.Dispose();
    }
}
