using KeyService.Crypto;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;
using KeyService.Tests.Storage;

namespace KeyService.Tests.Access;

/// <summary>Grants that a newer server made, on one that does not know all of their permissions: in the middle of a rolling upgrade.</summary>
public sealed class LaterPermissionTests : IAsyncLifetime
{
    private readonly StoreFile _file = new();
    private readonly TestTime _time = new();
    private readonly RowAuthenticator _rows = SoftwareRows.Of();
    private SqliteStore _store = null!;
    private AccessAdministration _administration = null!;
    private AccessRegister _register = null!;
    private Grant _grant = null!;

    public async ValueTask InitializeAsync()
    {
        _store = _file.Open(_time);
        await SoftwareRows.InstallAsync(_store, _rows);
        _register = await AccessRegister.LoadAsync(_store, _rows, _time, CancellationToken.None);
        _administration = new AccessAdministration(_register, _rows, _time);
        await ChangeAsync(transaction => _administration.CreatePrincipalAsync(transaction, "ehr", PrincipalType.Service, Credential.OfUid(2000)));
        _grant = new Grant
        {
            Id = 7, Principal = "ehr", Permissions = [Permission.ReadKey], LaterPermissions = ["divine-keys", "count-keys"], KeyPattern = KeyPattern.All,
            ContextConstraint = EncryptionContext.Empty, ExpireTime = null, CreateTime = _time.GetUtcNow(), Revoked = false, Revision = 1,
        };
        await ChangeAsync(async transaction =>
        {
            await new AccessRows(_rows).InsertAsync(transaction, _grant);
            return true;
        });
        await _register.ReloadAsync(_store, _rows, CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        _administration.Dispose();
        await _store.DisposeAsync();
        _file.Dispose();
    }

    [Fact]
    public void What_is_known_of_the_grant_counts_and_the_rest_stays_with_it()
    {
        var ehr = _register.Current.Principals["ehr"];
        Assert.True(_register.Allows(ehr, Permission.ReadKey, "ehr/labs", null));
        Assert.False(_register.Allows(ehr, Permission.Decrypt, "ehr/labs", null));
        Assert.Equal(["read-key", "divine-keys", "count-keys"], _register.Current.Grants[7].PermissionNames);
    }

    [Fact]
    public async Task It_can_be_revoked_and_its_row_still_verifies()
    {
        await ChangeAsync(transaction => _administration.RevokeGrantAsync(transaction, 7, _grant.IdText));
        var again = await AccessRegister.LoadAsync(_store, SoftwareRows.Of(), _time, CancellationToken.None);
        Assert.True(again.Current.Grants[7].Revoked);
        Assert.Equal("read-key,divine-keys,count-keys", _file.Ask<string>("SELECT permissions FROM grants WHERE id = 7"));
    }

    [Theory]
    [InlineData("encrypt")]
    [InlineData("create-key")]
    public async Task Nobody_here_judges_whether_it_may_meet_one_that_uses_or_administers(string name)
    {
        Assert.True(Permissions.TryParse(name, out var permission));
        var request = new GrantRequest("ehr", [permission], KeyPattern.All, EncryptionContext.Empty, null);
        var refusal = await Assert.ThrowsAsync<Refusal>(() => ChangeAsync(transaction => _administration.CreateGrantAsync(transaction, request)));
        Assert.Contains("'ehr' holds divine-keys, which a newer KeyService granted", refusal.Message, StringComparison.Ordinal);
        await ChangeAsync(transaction => _administration.RevokeGrantAsync(transaction, 7, _grant.IdText));
        await ChangeAsync(transaction => _administration.CreateGrantAsync(transaction, request));
    }

    [Fact]
    public void In_an_order_that_no_version_writes_it_is_refused()
    {
        var row = GrantRow.Of(_grant);
        row.Permissions = "read-key,divine-keys,encrypt";
        Assert.Contains("permission divine-keys", Assert.Throws<StoreOpenException>(row.ToGrant).Message, StringComparison.Ordinal);
    }

    private async Task<T> ChangeAsync<T>(Func<IStoreTransaction, Task<T>> change)
    {
        T result = default!;
        await _store.CommitAsync(new AuditRecordDraft(AuditEvent.GrantCreated), async transaction => result = await change(transaction), CancellationToken.None);
        return result;
    }
}
