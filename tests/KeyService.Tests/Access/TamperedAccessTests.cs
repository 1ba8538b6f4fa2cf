using KeyService.Crypto;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Storage;
using KeyService.Tests.Storage;

namespace KeyService.Tests.Access;

/// <summary>
/// Somebody with write access to the database, while the service is stopped, tries to give themselves rights. Each attempt is found when
/// the register is loaded.
/// </summary>
public sealed class TamperedAccessTests : IAsyncLifetime
{
    private readonly StoreFile _file = new();
    private readonly TestTime _time = new();
    // Each use is a process of its own, which has seen nothing of the rows: the service was stopped meanwhile.
    private static RowAuthenticator Rows => SoftwareRows.Of();

    /// <summary>
    /// An administrator; a database with two grants, one revoked; a disabled backup. Rows as they were before revoking and disabling are
    /// kept in shadow tables, as a thief of an old copy has them.
    /// </summary>
    public async ValueTask InitializeAsync()
    {
        await using var store = _file.Open(_time);
        await SoftwareRows.InstallAsync(store, Rows);
        var register = await AccessRegister.LoadAsync(store, Rows, _time, CancellationToken.None);
        using var administration = new AccessAdministration(register, Rows, _time);
        await ChangeAsync(store, transaction => administration.CreatePrincipalAsync(transaction, "ehr-database", PrincipalType.Service, Credential.OfUid(2000)));
        await ChangeAsync(store, transaction => administration.CreatePrincipalAsync(transaction, "backup", PrincipalType.Service, Credential.OfUid(2001)));
        await ChangeAsync(store, transaction => administration.CreateGrantAsync(transaction, Request("ehr/*")));
        var toRevoke = await ChangeAsync(store, transaction => administration.CreateGrantAsync(transaction, Request("*")));
        _file.Edit("CREATE TABLE old_grants AS SELECT * FROM grants; CREATE TABLE old_principals AS SELECT * FROM principals; CREATE TABLE old_state AS SELECT * FROM register_state");
        await ChangeAsync(store, transaction => administration.RevokeGrantAsync(transaction, toRevoke.Id, toRevoke.IdText));
        await ChangeAsync(store, transaction => administration.DisablePrincipalAsync(transaction, "backup"));
    }

    public ValueTask DisposeAsync()
    {
        _file.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task Untouched_it_loads()
    {
        await using var store = _file.Open(_time);
        var register = await AccessRegister.LoadAsync(store, Rows, _time, CancellationToken.None);
        Assert.Equal(3, register.Current.Principals.Count);
        Assert.Equal(3, register.Current.Grants.Count);
        await Installation.VerifyAsync(store, Rows, CancellationToken.None);
    }

    [Theory]
    [InlineData("edited flag", "UPDATE principals SET disabled = 0 WHERE name = 'backup'", "principals")]
    [InlineData("edited type", "UPDATE principals SET type = 2 WHERE name = 'ehr-database'", "principals")]
    [InlineData("edited credential", "UPDATE principals SET credential_value = '666' WHERE name = 'ehr-database'", "principals")]
    [InlineData("edited time", "UPDATE principals SET created_at = created_at + 1 WHERE name = 'ehr-database'", "principals")]
    [InlineData("edited revision", "UPDATE principals SET revision = 7 WHERE name = 'ehr-database'", "principals")]
    [InlineData("edited MAC", "UPDATE principals SET mac = zeroblob(32) WHERE name = 'ehr-database'", "principals")]
    [InlineData("widened pattern", "UPDATE grants SET key_pattern = '*' WHERE key_pattern = 'ehr/*'", "grants")]
    [InlineData("more permissions", "UPDATE grants SET permissions = 'encrypt,decrypt' WHERE key_pattern = 'ehr/*'", "grants")]
    [InlineData("dropped constraint", "UPDATE grants SET context_constraint = x'0000' WHERE key_pattern = 'ehr/*'", "grants")]
    [InlineData("dropped expiry", "UPDATE grants SET expires_at = NULL WHERE key_pattern = 'ehr/*'", "grants")]
    [InlineData("unrevoked", "UPDATE grants SET revoked = 0", "grants")]
    [InlineData("given to another", "UPDATE grants SET principal = 'backup' WHERE key_pattern = 'ehr/*'", "grants")]
    [InlineData("copied under a new id", "INSERT INTO grants SELECT 4711, principal, permissions, key_pattern, context_constraint, expires_at, created_at, revoked, revision, mac FROM grants WHERE key_pattern = 'ehr/*'", "grants")]
    [InlineData("MACs of two rows swapped", "UPDATE grants SET mac = (SELECT mac FROM grants AS other WHERE other.id <> grants.id AND other.principal = 'ehr-database') WHERE principal = 'ehr-database'", "grants")]
    [InlineData("own row inserted", "INSERT INTO grants VALUES (4711, 'ehr-database', 'administer-access', '*', x'0000', NULL, 0, 0, 1, zeroblob(32))", "grants")]
    [InlineData("revoked grant deleted", "DELETE FROM grants WHERE revoked = 1", "grants")]
    [InlineData("disabled principal deleted", "DELETE FROM principals WHERE name = 'backup'", "principals")]
    [InlineData("all grants deleted", "DELETE FROM grants", "grants")]
    [InlineData("grant as before its revocation", "DELETE FROM grants; INSERT INTO grants SELECT * FROM old_grants", "grants")]
    [InlineData("principal as before it was disabled", "DELETE FROM principals; INSERT INTO principals SELECT * FROM old_principals", "principals")]
    [InlineData("state of another time", "DELETE FROM register_state; INSERT INTO register_state SELECT * FROM old_state", "principals")]
    [InlineData("grants and state of different registers", "UPDATE register_state SET mac = (SELECT mac FROM register_state WHERE register = 'grants') WHERE register = 'principals'", "register_state")]
    [InlineData("count edited", "DELETE FROM grants WHERE revoked = 1; UPDATE register_state SET row_count = row_count - 1, change_count = change_count - 2 WHERE register = 'grants'", "register_state")]
    [InlineData("state deleted", "DELETE FROM register_state", "register_state")]
    public async Task What_was_changed_outside_the_service_is_refused_and_named(string attempt, string sql, string table)
    {
        _file.Edit("PRAGMA foreign_keys = OFF; " + sql);
        await using var store = _file.Open(_time);
        var finding = await Assert.ThrowsAsync<StoreTamperedException>(() => AccessRegister.LoadAsync(store, Rows, _time, CancellationToken.None));
        Assert.True(table == finding.Table, $"{attempt}: {finding.Message}");
        Assert.Contains(finding.RowId, finding.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_running_service_does_not_write_over_a_row_that_was_changed_meanwhile()
    {
        await using var store = _file.Open(_time);
        var register = await AccessRegister.LoadAsync(store, Rows, _time, CancellationToken.None);
        using var administration = new AccessAdministration(register, Rows, _time);
        _file.Edit("DELETE FROM grants WHERE principal = 'ehr-database'; DELETE FROM principals WHERE name = 'ehr-database'");
        var finding = await Assert.ThrowsAsync<StoreTamperedException>(
            () => ChangeAsync(store, transaction => administration.DisablePrincipalAsync(transaction, "ehr-database")));
        Assert.Equal(("principals", "ehr-database"), (finding.Table, finding.RowId));
    }

    [Fact]
    public async Task Rows_of_another_installation_do_not_verify()
    {
        await using var store = _file.Open(_time);
        await Assert.ThrowsAsync<StoreTamperedException>(() => AccessRegister.LoadAsync(store, SoftwareRows.Of(8), _time, CancellationToken.None));
        await Assert.ThrowsAsync<StoreTamperedException>(() => Installation.VerifyAsync(store, SoftwareRows.Of(8), CancellationToken.None));
    }

    [Theory]
    [InlineData("UPDATE installation SET installation_id = randomblob(16)")]
    [InlineData("UPDATE installation SET created_at = 0")]
    [InlineData("DELETE FROM installation")]
    public async Task A_changed_installation_is_found(string sql)
    {
        _file.Edit(sql);
        await using var store = _file.Open(_time);
        var finding = await Assert.ThrowsAsync<StoreTamperedException>(() => Installation.VerifyAsync(store, Rows, CancellationToken.None));
        Assert.Equal("installation", finding.Table);
    }

    private static GrantRequest Request(string pattern)
    {
        KeyPattern.TryParse(pattern, out var keyPattern);
        return new GrantRequest(
            "ehr-database", [Permission.Encrypt], keyPattern, EncryptionContext.Create("tenant", "north"), new DateTimeOffset(2027, 1, 1, 0, 0, 0, TimeSpan.Zero));
    }

    private static async Task<T> ChangeAsync<T>(IStore store, Func<IStoreTransaction, Task<T>> change) where T : class
    {
        T? answer = null;
        await store.CommitAsync(new AuditRecordDraft(AuditEvent.GrantCreated), async transaction => answer = await change(transaction), CancellationToken.None);
        return answer!;
    }
}
