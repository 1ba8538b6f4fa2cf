using System.Text;
using KeyService.Cli.Access;
using KeyService.Protocol.V1;

namespace KeyService.Tests.Cli;

/// <summary>The personnel office's list is read strictly: what is read wrong takes access from the wrong person.</summary>
public sealed class PersonnelRosterTests
{
    [Fact]
    public void A_list_is_read_with_quotation_marks_either_line_end_and_none_at_the_end()
    {
        Assert.True(PersonnelRoster.TryParse(
            Encoding.UTF8.GetBytes("principal,manager,left\r\nada,carol,\n\"bob\",\"\",2027-01-31\r\neve.x,carol,2027-01-31T17:00:00Z"), out var entries, out _));
        Assert.Equal(
            [
                new RosterEntry("ada", "carol", null), new RosterEntry("bob", "", new DateTimeOffset(2027, 1, 31, 0, 0, 0, TimeSpan.Zero)),
                new RosterEntry("eve.x", "carol", new DateTimeOffset(2027, 1, 31, 17, 0, 0, TimeSpan.Zero)),
            ],
            entries);
    }

    [Theory]
    [InlineData("", "line 1: it is empty")]
    [InlineData("\uFEFFprincipal,manager,left\n", "line 1: the header is not principal,manager,left")]
    [InlineData("principal;manager;left\n", "line 1: the header is not principal,manager,left")]
    [InlineData("principal,manager,left\nada,carol\n", "line 2: it has 2 columns, not 3")]
    [InlineData("principal,manager,left\n\n", "line 2: it has 1 columns, not 3")]
    [InlineData("principal,manager,left\nada,,\nAda,,\n", "line 3: the first column is no principal's name")]
    [InlineData("principal,manager,left\nada,,\nada,,\n", "line 3: ada stands twice")]
    [InlineData("principal,manager,left\nada,Dr Carol,\n", "line 2: the second column is no principal's name")]
    [InlineData("principal,manager,left\nada,,31.1.2027\n", "line 2: the third column is no time such as 2027-01-31 or 2027-01-31T17:00:00Z")]
    [InlineData("principal,manager,left\nada,,2027-02-30\n", "line 2: the third column is no time such as 2027-01-31 or 2027-01-31T17:00:00Z")]
    [InlineData("principal,manager,left\nada,,2027-01-31T17:00:00+01:00\n", "line 2: the third column is no time such as 2027-01-31 or 2027-01-31T17:00:00Z")]
    [InlineData("principal,manager,left\n\"ada\"x,,\n", "line 2: it is no line of CSV")]
    [InlineData("principal,manager,left\nada,\"carol,\n", "line 2: it is no line of CSV")]
    [InlineData("principal,manager,left\nada,carol,\rbob,carol,\n", "line 2: it is no line of CSV")]
    public void Anything_else_is_refused_with_its_line(string csv, string problem)
    {
        Assert.False(PersonnelRoster.TryParse(Encoding.UTF8.GetBytes(csv), out _, out var said));
        Assert.Equal(problem, said);
    }

    [Fact]
    public void What_is_no_UTF8_is_refused()
    {
        Assert.False(PersonnelRoster.TryParse([.. "principal,manager,left\nad"u8, 0xC3, 0x28], out _, out var problem));
        Assert.StartsWith("line 1:", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_active_principal_and_every_name_on_the_list_is_held_against_the_other()
    {
        var now = new DateTimeOffset(2027, 2, 1, 0, 0, 0, TimeSpan.Zero);
        Principal[] principals = [Of("ada"), Of("bob"), Of("carol"), Of("eve"), Of("old", disabled: true), Of("returned", disabled: true), Of("self"), Of("soon"), Of("unmanaged"), Of("zoe")];
        RosterEntry[] roster =
        [
            new("ada", "carol", null), new("bob", "carol", now.AddDays(-1)), new("carol", "old", null), new("new", "carol", null), new("old", "carol", now.AddDays(-9)),
            new("returned", "carol", null), new("self", "self", null), new("soon", "carol", now.AddDays(1)), new("unmanaged", "", null), new("gone", "", now.AddDays(-9)), new("zoe", "nobody", null),
        ];
        Assert.Equal(
            [
                "ada: ok", "bob: left 2027-01-31, and is still active", "carol: old, who answers for it, is no active principal", "eve: orphan: active, and not on the list",
                "new: on the list, and not registered", "returned: on the list, and disabled", "self: answers for itself", "soon: ok", "unmanaged: nobody answers for it",
                "zoe: nobody, who answers for it, is no active principal",
            ],
            RosterComparison.Compare(principals, roster, now).Select(row => $"{row.Principal}: {row.Finding ?? "ok"}"));
    }

    private static Principal Of(string name, bool disabled = false) => new() { Name = name, Type = PrincipalType.Person, Disabled = disabled };
}
