using KeyService.Crypto;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Pipeline;
using KeyService.Tests.Storage;
using Credential = KeyService.Server.Access.Credential;
using Grant = KeyService.Server.Access.Grant;
using Principal = KeyService.Server.Access.Principal;
using PrincipalType = KeyService.Server.Access.PrincipalType;

namespace KeyService.Tests.Access;

/// <summary>The table of forbidden pairs, when something is granted and with each call.</summary>
public sealed class SeparationTests
{
    private static ulong _ids;
    private readonly TestTime _time = new();

    private static readonly Permission[] KeyAdministration =
    [
        Permission.CreateKey, Permission.RotateKey, Permission.ChangeKeyState, Permission.SetKeyPolicy, Permission.DestroyKey, Permission.AdministerHoldings,
    ];

    public static TheoryData<string, string, bool> RolePairs => new()
    {
        { "auditor", "data-user", true },
        { "auditor", "backup-job", true },
        { "auditor", "key-administrator", true },
        { "auditor", "security-officer", true },
        { "auditor", "access-manager", true },
        { "auditor", "ai-system", true },
        { "access-manager", "key-administrator", true },
        { "access-manager", "security-officer", true },
        { "access-manager", "data-user", true },
        { "access-manager", "backup-job", true },
        { "access-manager", "ai-system", true },
        { "key-administrator", "data-user", true },
        { "key-administrator", "backup-job", true },
        { "key-administrator", "security-officer", true },
        { "key-administrator", "ai-system", true },
        { "security-officer", "data-user", true },
        { "security-officer", "backup-job", true },
        { "security-officer", "ai-system", true },
        { "data-user", "backup-job", false },
        { "data-user", "ai-system", false },
        { "backup-job", "ai-system", false },
    };

    [Theory]
    [MemberData(nameof(RolePairs))]
    public void Of_every_two_roles_the_table_says_whether_they_may_meet(string one, string other, bool forbidden)
    {
        Assert.Equal(forbidden, Separation.Find([Of(Role.Find(one)!), Of(Role.Find(other)!)], SeparationLevel.Standard) is not null);
        Assert.Equal(forbidden, Separation.Find([Of(Role.Find(other)!), Of(Role.Find(one)!)], SeparationLevel.Standard) is not null);
    }

    [Fact]
    public void The_theory_above_leaves_no_two_roles_out() =>
        Assert.Equal(Role.All.Count() * (Role.All.Count() - 1) / 2, RolePairs.Count);

    [Fact]
    public void No_permission_that_administers_meets_one_that_uses_keys()
    {
        foreach (var administers in Enum.GetValues<Permission>().Where(Permissions.Administers))
        {
            foreach (var uses in Enum.GetValues<Permission>().Where(Permissions.Uses))
            {
                Assert.NotNull(Separation.Find([Of(administers), Of(uses)], SeparationLevel.Standard));
                Assert.NotNull(Separation.Find([Of(uses, administers)], SeparationLevel.Standard));
            }
        }
    }

    [Fact]
    public void Who_audits_is_granted_nothing_but_what_the_role_reads_anyway()
    {
        foreach (var permission in Enum.GetValues<Permission>().Where(each => each != Permission.None))
        {
            Assert.Equal(!Role.Auditor.Permissions.Contains(permission), Separation.Find([Of(Role.Auditor), Of(permission)], SeparationLevel.Standard) is not null);
        }
    }

    [Fact]
    public void Administering_access_and_keys_meet_by_permissions_until_the_configuration_is_strict()
    {
        foreach (var keys in KeyAdministration)
        {
            Assert.Null(Separation.Find([Of(Permission.AdministerAccess, keys)], SeparationLevel.Standard));
            Assert.NotNull(Separation.Find([Of(Permission.AdministerAccess, keys)], SeparationLevel.Strict));
            Assert.NotNull(Separation.Find([Of(Role.AccessManager), Of(keys)], SeparationLevel.Standard));
        }
    }

    [Fact]
    public void Whoever_holds_a_pair_by_an_older_store_is_refused_both_sides_and_keeps_the_rest()
    {
        var register = new AccessRegister(_time);
        var carol = Registered(register, "carol");
        register.Apply(Of(Permission.Encrypt, Permission.ReadKey));
        var expiring = Of(Permission.CreateKey) with { ExpireTime = _time.GetUtcNow() + TimeSpan.FromHours(1) };
        register.Apply(expiring);

        Assert.Equal("create-key (administration) and encrypt (the use of keys)", register.Decide(carol, Permission.Encrypt, "ehr", null).ForbiddenPair);
        Assert.False(register.Allows(carol, Permission.Encrypt, "ehr", null));
        Assert.False(register.Allows(carol, Permission.CreateKey, "ehr", null));
        Assert.True(register.Allows(carol, Permission.ReadKey, "ehr", null));
        // What no grant covers is refused as ever: the pair is nobody's business who asks for something else.
        Assert.Null(register.Decide(carol, Permission.Decrypt, "ehr", null).ForbiddenPair);

        _time.Advance(TimeSpan.FromHours(1));
        Assert.True(register.Allows(carol, Permission.Encrypt, "ehr", null));
        Assert.False(register.Allows(carol, Permission.CreateKey, "ehr", null));
    }

    [Fact]
    public void Revoking_one_side_gives_the_other_back()
    {
        var register = new AccessRegister(_time);
        var carol = Registered(register, "carol");
        var auditor = Of(Role.Auditor);
        register.Apply(auditor);
        register.Apply(Of(Permission.AcknowledgeAlarm));
        Assert.False(register.Allows(carol, Permission.AcknowledgeAlarm, null, null));
        Assert.False(register.Allows(carol, Permission.ReadAudit, null, null));
        register.Apply(auditor with { Revoked = true, Revision = 2 });
        Assert.True(register.Allows(carol, Permission.AcknowledgeAlarm, null, null));
    }

    [Fact]
    public void Strict_refuses_the_first_administrator_both_and_counts_nobody_who_is_refused_as_an_administrator()
    {
        var register = new AccessRegister(_time) { Separation = SeparationLevel.Strict };
        var carol = Registered(register, "carol");
        register.Apply(Of(Permission.CreateKey, Permission.ReadKey, Permission.AdministerAccess));
        Assert.False(register.Allows(carol, Permission.AdministerAccess, null, null));
        Assert.False(register.Allows(carol, Permission.CreateKey, "ehr", null));
        Assert.True(register.Allows(carol, Permission.ReadKey, "ehr", null));
        Assert.False(AccessRules.LeavesAnAdministrator(register.Current, _time.GetUtcNow(), SeparationLevel.Strict));
        Assert.True(AccessRules.LeavesAnAdministrator(register.Current, _time.GetUtcNow(), SeparationLevel.Standard));
    }

    [Fact]
    public void A_call_refused_for_a_pair_says_so_and_is_an_event_of_its_own()
    {
        var register = new AccessRegister(_time);
        var carol = Registered(register, "carol");
        register.Apply(Of(Permission.Encrypt));
        register.Apply(Of(Permission.RotateKey));
        var rpc = new RpcAttribute(Permission.Encrypt, AuditEvent.FieldEncrypted);
        var call = new Call(rpc, "/keyservice.v1.Cipher/Encrypt", carol, new AuditRecordDraft(rpc.AuditEvent), 0, register.Decide, null!, null!, null!, null!);
        foreach (var attempt in new Action[] { () => call.Authorize("ehr", null), () => call.Covers("ehr", null) })
        {
            var refusal = Assert.Throws<Refusal>(attempt);
            Assert.Equal(Reason.SeparationOfDuties, refusal.Reason);
            Assert.Contains("rotate-key (administration) and encrypt (the use of keys)", refusal.Message, StringComparison.Ordinal);
            Assert.Equal(AuditEvent.ForbiddenPairRefused, call.Record.Event);
            Assert.StartsWith("keyservice.v1.Cipher/Encrypt: holds rotate-key", call.Record.Detail, StringComparison.Ordinal);
        }

        Assert.False(call.Authorized);
    }

    internal static Grant Of(params Permission[] permissions) => new()
    {
        Id = Interlocked.Increment(ref _ids), Principal = "carol", Permissions = permissions, KeyPattern = KeyPattern.All, ContextConstraint = ContextConstraint.Empty,
        ExpireTime = null, CreateTime = DateTimeOffset.UnixEpoch, Revoked = false, Revision = 1,
    };

    internal static Grant Of(Role role) => Of() with { Roles = [role] };

    private Principal Registered(AccessRegister register, string name)
    {
        var principal = new Principal
        {
            Name = name, Type = PrincipalType.Person, Credential = Credential.OfUid(4000), Disabled = false, CreateTime = _time.GetUtcNow(), Revision = 1,
        };
        register.Apply(principal);
        return principal;
    }
}
