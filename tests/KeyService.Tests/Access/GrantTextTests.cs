using KeyService.Crypto;
using KeyService.Server.Access;

namespace KeyService.Tests.Access;

/// <summary>What a grant's row says, in the columns that older servers know.</summary>
public sealed class GrantTextTests
{
    private static readonly ContextConstraint Prefix = ContextConstraint.Create([ContextRule.Prefix("table", "ehr/")]);
    private static readonly ContextConstraint Tenant = EncryptionContext.Create("tenant", "north");

    [Fact]
    public void A_grant_that_older_versions_could_write_has_the_row_that_they_wrote()
    {
        var row = GrantRow.Of(Grant([Permission.Encrypt, Permission.Decrypt], Tenant));
        Assert.Equal("encrypt,decrypt", row.Permissions);
        Assert.Equal(Tenant.ExactPairs().Encoded.ToArray(), row.ContextConstraint);
    }

    [Fact]
    public void Roles_and_terms_stand_as_names_that_an_older_version_allows_nothing_by()
    {
        var role = GrantRow.Of(Grant([Permission.ReadKey], ContextConstraint.Empty, roles: [Role.Auditor]));
        Assert.Equal("read-key,role:auditor", role.Permissions);

        var terms = GrantRow.Of(Grant([Permission.Decrypt], Prefix, roles: [Role.BackupJob]));
        Assert.StartsWith("if:decrypt,if:role:backup-job,terms:", terms.Permissions, StringComparison.Ordinal);
        Assert.Equal([0, 0], terms.ContextConstraint);
        // What an older version does with them: a name it does not know is none of its permissions.
        Assert.DoesNotContain(terms.Permissions.Split(','), name => Permissions.TryParse(name, out _));
    }

    [Fact]
    public void Every_form_comes_back_as_it_was()
    {
        foreach (var constraint in new[] { ContextConstraint.Empty, Tenant, Prefix, ContextConstraint.Create([.. Tenant.Rules, .. Prefix.Rules]) })
        {
            foreach (Quota[] quotas in new Quota[][] { [], [new(QuotaMeasure.Items, QuotaWindow.Day, 100)] })
            {
                foreach (Role[] roles in new Role[][] { [], [Role.AiSystem, Role.DataUser] })
                {
                    var grant = Grant([Permission.Encrypt], constraint, roles) with { Quotas = quotas };
                    var row = GrantRow.Of(grant);
                    var read = row.ToGrant();
                    Assert.Equal(constraint, read.ContextConstraint);
                    Assert.Equal(quotas, read.Quotas);
                    Assert.Equal(roles, read.Roles);
                    Assert.Equal(row.Canonical(), GrantRow.Of(read).Canonical());
                }
            }
        }
    }

    [Theory]
    [InlineData("role:chancellor")]
    [InlineData("read-key,role:auditor,role:chancellor")]
    [InlineData("role:data-user,role:auditor,encrypt")]
    [InlineData("if:decrypt,terms:AgE")]
    [InlineData("if:decrypt,terms:AQABAgIAAAAAAAAnEA==")]
    [InlineData("decrypt,terms:AQABAgIAAAAAAAAnEA")]
    [InlineData("if:decrypt")]
    [InlineData("terms:AQABAgIAAAAAAAAnEA")]
    public void What_a_later_version_wrote_allows_nothing_that_is_not_known_and_keeps_its_bytes(string column)
    {
        var row = GrantRow.Of(Grant([Permission.ReadKey], ContextConstraint.Empty));
        row.Permissions = column;
        var grant = row.ToGrant();
        Assert.DoesNotContain(Permission.Decrypt, grant.Allowed);
        Assert.DoesNotContain(Permission.Encrypt, grant.Allowed);
        Assert.Equal(column, GrantRow.Of(grant).Permissions);
    }

    [Fact]
    public void Terms_narrow_by_whichever_way_the_permission_is_given()
    {
        var grant = Grant([Permission.Encrypt], Prefix, [Role.DataUser]);
        Assert.True(grant.Covers(Permission.Decrypt, "ehr", EncryptionContext.Create("table", "ehr/labs")));
        Assert.True(grant.Covers(Permission.Encrypt, "ehr", EncryptionContext.Create("table", "ehr/labs")));
        Assert.False(grant.Covers(Permission.Decrypt, "ehr", EncryptionContext.Create("table", "ehrlabs")));
        Assert.False(grant.Covers(Permission.Decrypt, "ehr", null));
        Assert.False(grant.Covers(Permission.CreateKey, "ehr", EncryptionContext.Create("table", "ehr/labs")));
    }

    private static Grant Grant(IReadOnlyList<Permission> permissions, ContextConstraint constraint, IReadOnlyList<Role>? roles = null) => new()
    {
        Id = 7, Principal = "ehr", Permissions = permissions, Roles = roles ?? [], KeyPattern = KeyPattern.All, ContextConstraint = constraint, ExpireTime = null,
        CreateTime = DateTimeOffset.UnixEpoch, Revoked = false, Revision = 1,
    };
}
