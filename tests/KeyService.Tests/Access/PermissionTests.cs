using KeyService.Server.Access;

namespace KeyService.Tests.Access;

public sealed class PermissionTests
{
    /// <summary>Only grows: numbers and names stand in rows and in every grant ever written.</summary>
    [Fact]
    public void Numbers_and_names_are_frozen()
    {
        Assert.Equal(
            [
                "1 generate-data-key", "2 unwrap-data-key", "3 rewrap-data-key", "4 encrypt", "5 decrypt", "6 reencrypt",
                "7 create-key", "8 read-key", "9 rotate-key", "10 administer-access", "11 read-audit", "12 read-system",
                "13 change-key-state", "14 set-key-policy", "15 destroy-key", "16 read-alarms", "17 acknowledge-alarm", "18 read-backup",
                "19 export-backup", "20 read-holdings", "21 report-holding", "22 administer-holdings", "23 accept-store",
                "24 export-audit", "25 rotate-audit-key",
                "28 administer-people", "29 open-break-glass", "30 review-break-glass",
                "33 read-approvals", "34 decide-approvals", "35 install-roster",
                "38 read-access",
                "44 read-findings", "45 review-findings", "46 sign-off-review",
                "49 archive-audit", "50 delete-audit", "51 export-evidence", "52 attest-access",
            ],
            Enum.GetValues<Permission>().Where(each => each != Permission.None).Select(each => $"{(int)each} {Permissions.NameOf(each)}"));
    }

    [Fact]
    public void A_name_parses_to_its_permission_and_nothing_else_does()
    {
        foreach (var permission in Enum.GetValues<Permission>().Where(each => each != Permission.None))
        {
            Assert.True(Permissions.TryParse(Permissions.NameOf(permission), out var parsed));
            Assert.Equal(permission, parsed);
        }

        foreach (var name in new[] { "", "none", "Encrypt", "encrypt ", "4", "generatedatakey" })
        {
            Assert.False(Permissions.TryParse(name, out _), name);
        }
    }

    [Fact]
    public void No_permission_both_administers_and_uses_keys() =>
        Assert.DoesNotContain(Enum.GetValues<Permission>(), each => Permissions.Administers(each) && Permissions.Uses(each));

    [Theory]
    [InlineData("*", "anything", true)]
    [InlineData("*", "ehr/records", true)]
    [InlineData("ehr/*", "ehr/records", true)]
    [InlineData("ehr/*", "ehr/records/2026", true)]
    [InlineData("ehr/*", "ehr", false)]
    [InlineData("ehr/*", "ehrx/records", false)]
    [InlineData("ehr", "ehr", true)]
    [InlineData("ehr", "ehr/records", false)]
    [InlineData("ehr", "eh", false)]
    public void A_pattern_covers_just_its_keys(string pattern, string key, bool covered)
    {
        Assert.True(KeyPattern.TryParse(pattern, out var parsed));
        Assert.Equal(pattern, parsed.ToString());
        Assert.Equal(covered, parsed.Covers(key));
    }

    [Theory]
    [InlineData("")]
    [InlineData("/*")]
    [InlineData("**")]
    [InlineData("ehr*")]
    [InlineData("ehr/*/x")]
    [InlineData("*/ehr")]
    [InlineData("ehr/**")]
    [InlineData("EHR/*")]
    [InlineData("ehr//*")]
    [InlineData("-ehr")]
    [InlineData("ehr/")]
    [InlineData(null)]
    public void Anything_else_is_no_pattern(string? pattern) => Assert.False(KeyPattern.TryParse(pattern, out _));
}
