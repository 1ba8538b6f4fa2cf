using KeyService.Crypto;
using KeyService.Server.Access;
using KeyService.Tests.Storage;

namespace KeyService.Tests.Access;

/// <summary>Default deny, and what each part of a grant narrows.</summary>
public sealed class AccessRegisterTests
{
    private readonly TestTime _time = new();
    private readonly AccessRegister _register;
    private readonly Principal _database;
    private ulong _grants;

    public AccessRegisterTests()
    {
        _register = new AccessRegister(_time);
        _database = Principal("ehr-database", Credential.OfUid(2000));
        _register.Apply(_database);
    }

    [Fact]
    public void Without_a_grant_nothing_is_allowed_but_what_every_principal_may()
    {
        foreach (var permission in Enum.GetValues<Permission>())
        {
            Assert.Equal(permission == Permission.None, _register.Allows(_database, permission, "ehr", EncryptionContext.Empty));
        }
    }

    [Fact]
    public void A_grant_allows_its_permissions_on_its_keys_and_nothing_more()
    {
        Grant("ehr/*", [Permission.Encrypt, Permission.Decrypt]);
        Assert.True(_register.Allows(_database, Permission.Encrypt, "ehr/records", null));
        Assert.True(_register.Allows(_database, Permission.Decrypt, "ehr/records", null));
        Assert.False(_register.Allows(_database, Permission.Reencrypt, "ehr/records", null));
        Assert.False(_register.Allows(_database, Permission.Encrypt, "billing", null));
        Assert.True(_register.Allows(_database, Permission.Encrypt, null, null));
        Assert.False(_register.Allows(_database, Permission.Reencrypt, null, null));
    }

    [Fact]
    public void A_constraint_wants_each_of_its_pairs_just_so_and_minds_no_others()
    {
        Grant("*", [Permission.Decrypt], Context(("tenant", "north"), ("table", "patients")));
        Assert.True(Allowed(Context(("tenant", "north"), ("table", "patients"))));
        Assert.True(Allowed(Context(("tenant", "north"), ("table", "patients"), ("row", "17"))));
        Assert.False(Allowed(Context(("tenant", "south"), ("table", "patients"))));
        Assert.False(Allowed(Context(("tenant", "north"))));
        Assert.False(Allowed(Context(("tenant", "North"), ("table", "patients"))));
        Assert.False(Allowed(EncryptionContext.Empty));
        Assert.False(Allowed(null));

        bool Allowed(EncryptionContext? context) => _register.Allows(_database, Permission.Decrypt, "ehr", context);
    }

    [Fact]
    public void Parts_of_two_grants_do_not_add_up_to_a_third()
    {
        Grant("ehr/*", [Permission.Encrypt]);
        Grant("billing", [Permission.Decrypt]);
        Assert.False(_register.Allows(_database, Permission.Decrypt, "ehr/records", null));
        Assert.False(_register.Allows(_database, Permission.Encrypt, "billing", null));
    }

    [Fact]
    public void A_grant_ends_at_its_expiry()
    {
        Grant("*", [Permission.Encrypt], expireTime: _time.GetUtcNow() + TimeSpan.FromHours(1));
        _time.Advance(TimeSpan.FromHours(1) - TimeSpan.FromTicks(1));
        Assert.True(_register.Allows(_database, Permission.Encrypt, "ehr", null));
        _time.Advance(TimeSpan.FromTicks(1));
        Assert.False(_register.Allows(_database, Permission.Encrypt, "ehr", null));
    }

    [Fact]
    public void Revoking_and_disabling_count_at_once_also_for_a_principal_found_before()
    {
        var grant = Grant("*", [Permission.Encrypt]);
        Assert.True(_register.Allows(_database, Permission.Encrypt, "ehr", null));
        _register.Apply(grant with { Revoked = true, Revision = 2 });
        Assert.False(_register.Allows(_database, Permission.Encrypt, "ehr", null));

        Grant("*", [Permission.Encrypt]);
        Assert.True(_register.Allows(_database, Permission.Encrypt, "ehr", null));
        _register.Apply(_database with { Disabled = true, Revision = 2 });
        Assert.False(_register.Allows(_database, Permission.Encrypt, "ehr", null));
        Assert.False(_register.Allows(_database, Permission.None, null, null));
    }

    [Fact]
    public void A_credential_finds_its_principal_and_no_other_credential_does()
    {
        Assert.Equal("ehr-database", _register.Find(Credential.OfUid(2000))?.Name);
        Assert.Null(_register.Find(Credential.OfUid(2001)));
        Assert.Null(_register.Find(new Credential(CredentialKind.CertificateSanUri, "2000")));
        Assert.Null(_register.Find());
    }

    [Fact]
    public void A_disabled_principal_is_not_found_but_known_for_the_record()
    {
        _register.Apply(_database with { Disabled = true, Revision = 2 });
        Assert.Null(_register.Find(_database.Credential));
        Assert.Equal("ehr-database", _register.FindRegistered(_database.Credential)?.Name);
    }

    [Fact]
    public void Credentials_of_two_principals_are_nobody()
    {
        var backup = Principal("backup", new Credential(CredentialKind.CertificateSanUri, "keyservice:principal/backup"));
        _register.Apply(backup);
        Assert.Null(_register.Find(_database.Credential, backup.Credential));
        Assert.Equal("backup", _register.Find(Credential.OfUid(9), backup.Credential)?.Name);
    }

    [Fact]
    public void An_AI_system_is_allowed_nothing_by_a_grant_that_an_older_version_gave_without_the_limits()
    {
        var model = Principal("triage-model", Credential.OfUid(3000)) with { Type = PrincipalType.AiSystem };
        _register.Apply(model);
        var north = Context(("tenant", "north"));
        Quota[] quotas = [new(QuotaMeasure.Items, QuotaWindow.Day, 10)];
        var good = Grant("*", [Permission.Encrypt], north) with { Principal = model.Name, Quotas = quotas, Revision = 2 };
        foreach (var bad in new[] { good with { Quotas = [] }, good with { ContextConstraint = ContextConstraint.Empty }, good with { Permissions = [Permission.Encrypt, Permission.GenerateDataKey] } })
        {
            _register.Apply(bad with { Id = ++_grants });
        }

        Assert.False(_register.Allows(model, Permission.Encrypt, "ehr", north));
        Assert.False(_register.Allows(model, Permission.GenerateDataKey, "ehr", north));
        _register.Apply(good with { Id = ++_grants });
        Assert.True(_register.Allows(model, Permission.Encrypt, "ehr", north));
        Assert.False(_register.Allows(model, Permission.Encrypt, "ehr", null));
        Assert.True(_register.Allows(model, Permission.None, null, null));
    }

    private static EncryptionContext Context(params (string Key, string Value)[] pairs) =>
        EncryptionContext.Create(pairs.Select(pair => KeyValuePair.Create(pair.Key, pair.Value)));

    private Principal Principal(string name, Credential credential) => new()
    {
        Name = name, Type = PrincipalType.Service, Credential = credential, Disabled = false, CreateTime = _time.GetUtcNow(), Revision = 1,
    };

    private Grant Grant(string pattern, Permission[] permissions, EncryptionContext? constraint = null, DateTimeOffset? expireTime = null)
    {
        Assert.True(KeyPattern.TryParse(pattern, out var keyPattern));
        var grant = new Grant
        {
            Id = ++_grants,
            Principal = _database.Name,
            Permissions = permissions,
            KeyPattern = keyPattern,
            ContextConstraint = constraint ?? EncryptionContext.Empty,
            ExpireTime = expireTime,
            CreateTime = _time.GetUtcNow(),
            Revoked = false,
            Revision = 1,
        };
        _register.Apply(grant);
        return grant;
    }
}
