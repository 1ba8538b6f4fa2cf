using KeyService.Server.Access;

namespace KeyService.Tests.Access;

public sealed class RoleTests
{
    /// <summary>What each role may do is documented and reviewed here; it changes with a version and never by a row.</summary>
    [Fact]
    public void The_table_is_frozen() => Assert.Equal(
        [
            "access-manager: administer-access, read-access",
            "ai-system: encrypt, decrypt",
            "auditor: read-key, read-audit, read-system, read-alarms, read-backup, read-holdings, export-audit, read-approvals, read-access, read-findings, export-evidence",
            "backup-job: generate-data-key, rewrap-data-key, encrypt",
            "data-user: generate-data-key, unwrap-data-key, rewrap-data-key, encrypt, decrypt, reencrypt",
            "key-administrator: create-key, read-key, rotate-key, read-system, change-key-state, set-key-policy, destroy-key, read-alarms, read-holdings, "
                + "report-holding, administer-holdings",
            "security-officer: read-key, read-audit, read-system, change-key-state, read-alarms, acknowledge-alarm, read-backup, export-backup, "
                + "read-holdings, accept-store, export-audit, rotate-audit-key, administer-people, review-break-glass, read-approvals, decide-approvals, install-roster, read-findings, review-findings, sign-off-review, delete-audit",
        ],
        Role.All.Select(role => $"{role.Name}: {string.Join(", ", role.Permissions.Select(Permissions.NameOf))}"));

    [Fact]
    public void Permissions_of_a_role_stand_in_their_order_and_no_name_has_what_rows_divide_by()
    {
        foreach (var role in Role.All)
        {
            Assert.Equal(role.Permissions.Distinct().Order(), role.Permissions);
            Assert.DoesNotContain(role.Name, c => c is ',' or ':');
            Assert.Same(role, Role.Find(role.Name));
        }

        Assert.DoesNotContain(Permissions.AllNames, name => name.Contains(':', StringComparison.Ordinal));
    }

    [Fact]
    public void The_operations_manual_has_the_table()
    {
        var lines = File.ReadAllLines(Path.Combine(RepositoryRoot.Path, "docs", "operations.md"));
        foreach (var role in Role.All)
        {
            Assert.Contains(lines, line => line.StartsWith($"| `{role.Name}` | {string.Join(", ", role.Permissions.Select(Permissions.NameOf))}", StringComparison.Ordinal));
        }
    }

    [Fact]
    public void No_role_brings_a_forbidden_pair_with_itself_nor_uses_keys_and_administers()
    {
        foreach (var role in Role.All)
        {
            Assert.Null(Separation.Find([SeparationTests.Of(role)], SeparationLevel.Strict));
            Assert.False(role.Permissions.Any(Permissions.Administers) && role.Permissions.Any(Permissions.Uses));
        }

        Assert.DoesNotContain(Role.AiSystem.Permissions, Permissions.HandsOutDataKeys);
    }
}
