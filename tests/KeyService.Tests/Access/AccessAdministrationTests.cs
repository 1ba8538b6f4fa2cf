using KeyService.Crypto;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;
using KeyService.Tests.Storage;
using Credential = KeyService.Server.Access.Credential;
using Grant = KeyService.Server.Access.Grant;
using Principal = KeyService.Server.Access.Principal;
using PrincipalType = KeyService.Server.Access.PrincipalType;

namespace KeyService.Tests.Access;

/// <summary>Rules of changing access, on a real store; after each test what a restart loads is what stood in memory.</summary>
public sealed class AccessAdministrationTests : IAsyncLifetime
{
    private readonly StoreFile _file = new();
    private readonly TestTime _time = new();
    private readonly RowAuthenticator _rows = SoftwareRows.Of();
    private SqliteStore _store = null!;
    private AccessRegister _register = null!;
    private AccessAdministration _administration = null!;

    public async ValueTask InitializeAsync()
    {
        _store = _file.Open(_time);
        await SoftwareRows.InstallAsync(_store, _rows);
        _register = await AccessRegister.LoadAsync(_store, _rows, _time, CancellationToken.None);
        _administration = new AccessAdministration(_register, _rows, _time);
    }

    public async ValueTask DisposeAsync()
    {
        var loaded = await AccessRegister.LoadAsync(_store, _rows, _time, CancellationToken.None);
        Assert.Equal(_register.Current.Principals.Values, loaded.Current.Principals.Values);
        Assert.Equal(_register.Current.Grants.Values.Select(each => each.ToMessage()), loaded.Current.Grants.Values.Select(each => each.ToMessage()));
        _administration.Dispose();
        await _store.DisposeAsync();
        _file.Dispose();
    }

    [Fact]
    public void The_first_administrator_administers_and_reads_and_uses_no_key()
    {
        var administrator = _register.Find(Credential.OfUid(1000))!;
        foreach (var permission in Enum.GetValues<Permission>())
        {
            // Whoever administers access attests nobody's.
            Assert.Equal(!Permissions.Uses(permission) && permission != Permission.AttestAccess, _register.Allows(administrator, permission, "any/key", null));
        }
    }

    [Fact]
    public async Task A_second_installation_in_the_same_store_is_refused()
    {
        await Assert.ThrowsAsync<InvalidOperationException>(() => SoftwareRows.InstallAsync(_store, _rows));
        Assert.Single(_register.Current.Principals);
    }

    [Fact]
    public async Task A_principal_can_be_found_from_the_moment_its_creation_is_answered()
    {
        await CreateAsync("ehr-database", 2000);
        Assert.Equal("ehr-database", _register.Find(Credential.OfUid(2000))?.Name);
    }

    [Fact]
    public async Task A_name_or_a_credential_registered_once_is_taken_for_good()
    {
        await CreateAsync("ehr-database", 2000);
        await DisableAsync("ehr-database");
        Assert.Equal(Reason.AlreadyExists, (await Assert.ThrowsAsync<Refusal>(() => CreateAsync("ehr-database", 2001))).Reason);
        var refusal = await Assert.ThrowsAsync<Refusal>(() => CreateAsync("other", 2000));
        Assert.Equal(Reason.InvalidArgument, refusal.Reason);
        Assert.Contains("ehr-database", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_disabled_principal_stays_disabled_and_disabling_again_changes_nothing()
    {
        await CreateAsync("ehr-database", 2000);
        Assert.Equal(2, (await DisableAsync("ehr-database")).Revision);
        Assert.Equal(2, (await DisableAsync("ehr-database")).Revision);
        Assert.Null(_register.Find(Credential.OfUid(2000)));
        Assert.Equal(Reason.InvalidArgument, (await Assert.ThrowsAsync<Refusal>(() => GrantAsync("ehr-database", "*", Permission.Encrypt))).Reason);
    }

    [Fact]
    public async Task Unknown_principals_and_grants_are_not_found()
    {
        Assert.Equal(Reason.NotFound, (await Assert.ThrowsAsync<Refusal>(() => DisableAsync("nobody"))).Reason);
        Assert.Equal(Reason.NotFound, (await Assert.ThrowsAsync<Refusal>(() => GrantAsync("nobody", "*", Permission.Encrypt))).Reason);
        Assert.Equal(Reason.NotFound, (await Assert.ThrowsAsync<Refusal>(() => RevokeAsync(17))).Reason);
    }

    [Theory]
    [InlineData(nameof(Permission.CreateKey))]
    [InlineData(nameof(Permission.RotateKey))]
    [InlineData(nameof(Permission.AdministerAccess))]
    public async Task Who_administers_cannot_be_given_the_use_of_keys_nor_the_other_way_round(string name)
    {
        var administering = Enum.Parse<Permission>(name);
        await CreateAsync("ehr-database", 2000);
        var usable = Enum.GetValues<Permission>().Where(Permissions.Uses).ToArray();
        foreach (var use in usable)
        {
            await RefusedAsync("root-admin", use);
            await RefusedAsync("ehr-database", administering, use);
        }

        var grant = await GrantAsync("ehr-database", "*", usable[0]);
        await RefusedAsync("ehr-database", administering);
        await RevokeAsync(grant.Id);
        await GrantAsync("ehr-database", "*", administering);
        await RefusedAsync("ehr-database", usable[0]);
    }

    [Fact]
    public async Task Two_grants_asked_for_at_the_same_time_do_not_pass_the_separation_of_duties_together()
    {
        await CreateAsync("ehr-database", 2000);
        var both = new[] { Permission.Encrypt, Permission.RotateKey }.Select(each => Task.Run(() => GrantAsync("ehr-database", "*", each))).ToArray();
        await Task.WhenAll(both.Select(each => each.ContinueWith(_ => { }, TaskScheduler.Default)));
        Assert.Equal(1, both.Count(each => each.IsCompletedSuccessfully));
        Assert.Single(_register.Current.GrantsOf("ehr-database"));
    }

    [Fact]
    public async Task An_AI_system_is_granted_nothing_but_encrypting_and_decrypting_in_listed_contexts_within_a_quota()
    {
        await CreateAsync("triage-model", 3000, PrincipalType.AiSystem);
        ContextConstraint listed = EncryptionContext.Create("tenant", "north");
        KeyService.Crypto.Quota[] quotas = [new(KeyService.Crypto.QuotaMeasure.Items, KeyService.Crypto.QuotaWindow.Day, 1000)];
        foreach (var permission in Enum.GetValues<Permission>().Where(each => each is not (Permission.None or Permission.Encrypt or Permission.Decrypt)))
        {
            await RefusedAsync("triage-model", permission);
            var alone = Permissions.Uses(permission) ? listed : ContextConstraint.Empty;
            await RefusedAsync(new GrantRequest("triage-model", [permission], KeyPattern.All, alone, null) { Quotas = Permissions.Uses(permission) ? quotas : [] });
        }

        foreach (var role in Role.All.Where(role => role != Role.AiSystem))
        {
            await RefusedAsync(new GrantRequest("triage-model", [], KeyPattern.All, listed, null) { Roles = [role], Quotas = quotas });
        }

        await RefusedAsync(new GrantRequest("triage-model", [Permission.Encrypt], KeyPattern.All, listed, null));
        await RefusedAsync(new GrantRequest("triage-model", [Permission.Encrypt], KeyPattern.All, ContextConstraint.Empty, null) { Quotas = quotas });
        await GrantAsync(new GrantRequest("triage-model", [], KeyPattern.All, listed, null) { Roles = [Role.AiSystem], Quotas = quotas });
        await GrantAsync(new GrantRequest("triage-model", [Permission.Decrypt], KeyPattern.All, listed, null) { Quotas = quotas });
    }

    [Fact]
    public async Task A_grant_that_could_never_allow_anything_is_refused()
    {
        await CreateAsync("auditor", 4000, PrincipalType.Person);
        Assert.Equal(Reason.InvalidArgument, (await Assert.ThrowsAsync<Refusal>(() => GrantAsync("auditor", "ehr/*", Permission.ReadAudit))).Reason);
        var constraint = EncryptionContext.Create("tenant", "north");
        Assert.Equal(Reason.InvalidArgument, (await Assert.ThrowsAsync<Refusal>(
            () => GrantAsync(new GrantRequest("auditor", [Permission.ReadKey], KeyPattern.All, constraint, null)))).Reason);
    }

    [Fact]
    public async Task The_last_who_can_administer_access_can_be_neither_disabled_nor_stripped()
    {
        var own = Assert.Single(_register.Current.GrantsOf("root-admin"));
        await Assert.ThrowsAsync<Refusal>(() => DisableAsync("root-admin"));
        await Assert.ThrowsAsync<Refusal>(() => RevokeAsync(own.Id));
        await CreateAsync("second-admin", 1001, PrincipalType.Person);
        await GrantAsync("second-admin", "*", Permission.AdministerAccess);
        await DisableAsync("root-admin");
        Assert.Null(_register.Find(Credential.OfUid(1000)));
    }

    [Fact]
    public async Task A_revoked_grant_allows_nothing_from_the_moment_it_is_answered()
    {
        await CreateAsync("ehr-database", 2000);
        var grant = await GrantAsync("ehr-database", "*", Permission.Encrypt);
        var principal = _register.Find(Credential.OfUid(2000))!;
        Assert.True(_register.Allows(principal, Permission.Encrypt, "ehr", null));
        Assert.Equal(2, (await RevokeAsync(grant.Id)).Revision);
        Assert.False(_register.Allows(principal, Permission.Encrypt, "ehr", null));
        Assert.Equal(2, (await RevokeAsync(grant.Id)).Revision);
    }

    [Fact]
    public async Task A_move_takes_every_old_grant_and_gives_the_new_ones_held_against_the_rules_without_the_old()
    {
        await CreateAsync("ada", 2000, PrincipalType.Person);
        await GrantAsync("ada", "*", Permission.Encrypt);
        await GrantAsync("ada", "ehr/*", Permission.Decrypt);
        var ada = _register.Find(Credential.OfUid(2000))!;
        // Together with what she held it would be a forbidden pair.
        var wanted = new GrantRequest("ada", [], KeyPattern.All, ContextConstraint.Empty, null) { Roles = [Role.KeyAdministrator] };
        var report = await MoveAsync("ada", wanted);
        Assert.Equal(2, report.Revoked.Count);
        Assert.All(report.Revoked, grant => Assert.True(grant.Revoked));
        Assert.Equal([Role.KeyAdministrator], Assert.Single(report.Created).Roles);
        Assert.False(_register.Allows(ada, Permission.Encrypt, "ehr", null));
        Assert.True(_register.Allows(ada, Permission.CreateKey, "ehr", null));

        // New ones among themselves are held against the rules, and then nothing is changed.
        var both = new[] { wanted, new GrantRequest("ada", [Permission.Encrypt], KeyPattern.All, ContextConstraint.Empty, null) };
        var refusal = await Assert.ThrowsAsync<Refusal>(() => MoveAsync("ada", both));
        Assert.Equal("grants[1]", Assert.Single(refusal.Violations).Field);
        Assert.True(_register.Allows(ada, Permission.CreateKey, "ehr", null));
        Assert.Empty((await MoveAsync("ada")).Created);
        Assert.False(_register.Allows(ada, Permission.CreateKey, "ehr", null));
    }

    [Fact]
    public async Task The_last_who_can_administer_access_cannot_move_away_from_it()
    {
        await Assert.ThrowsAsync<Refusal>(() => MoveAsync("root-admin"));
        Assert.True(_register.Allows(_register.Find(Credential.OfUid(1000))!, Permission.AdministerAccess, null, null));
        await MoveAsync("root-admin", new GrantRequest("root-admin", [], KeyPattern.All, ContextConstraint.Empty, null) { Roles = [Role.AccessManager] });
    }

    private Task<Tuple<IReadOnlyList<Grant>, IReadOnlyList<Grant>>> MoveRawAsync(string name, GrantRequest[] requests) => CommitAsync(async transaction =>
    {
        var (revoked, created) = await _administration.MoveAsync(transaction, name, requests);
        return Tuple.Create(revoked, created);
    });

    private async Task<(IReadOnlyList<Grant> Revoked, IReadOnlyList<Grant> Created)> MoveAsync(string name, params GrantRequest[] requests)
    {
        var (revoked, created) = await MoveRawAsync(name, requests);
        return (revoked, created);
    }

    private async Task RefusedAsync(string principal, params Permission[] permissions) =>
        Assert.Equal(Reason.InvalidArgument, (await Assert.ThrowsAsync<Refusal>(() => GrantAsync(principal, "*", permissions))).Reason);

    private async Task RefusedAsync(GrantRequest request) =>
        Assert.Equal(Reason.InvalidArgument, (await Assert.ThrowsAsync<Refusal>(() => GrantAsync(request))).Reason);

    private Task<Principal> CreateAsync(string name, uint uid, PrincipalType type = PrincipalType.Service) =>
        CommitAsync(transaction => _administration.CreatePrincipalAsync(transaction, name, type, Credential.OfUid(uid)));

    private Task<Principal> DisableAsync(string name) => CommitAsync(transaction => _administration.DisablePrincipalAsync(transaction, name));

    private Task<Grant> GrantAsync(string principal, string pattern, params Permission[] permissions)
    {
        KeyPattern.TryParse(pattern, out var keyPattern);
        return GrantAsync(new GrantRequest(principal, permissions, keyPattern, EncryptionContext.Empty, null));
    }

    private Task<Grant> GrantAsync(GrantRequest request) => CommitAsync(transaction => _administration.CreateGrantAsync(transaction, request));

    private Task<Grant> RevokeAsync(ulong id) => CommitAsync(transaction => _administration.RevokeGrantAsync(transaction, id, $"{id:x16}"));

    private Task<T> CommitAsync<T>(Func<IStoreTransaction, Task<T>> change) where T : class => _administration.InTurnAsync(
        async () =>
        {
            T? answer = null;
            await _store.CommitAsync(new AuditRecordDraft(AuditEvent.GrantCreated), async transaction => answer = await change(transaction), CancellationToken.None);
            return answer!;
        },
        CancellationToken.None);
}
