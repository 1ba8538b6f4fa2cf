using System.Text;
using KeyService.Cli.Access;
using KeyService.Cli.Archives;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Doctor;
using KeyService.Cli.Output;
using KeyService.Crypto;
using Record = KeyService.Cli.Output.Record;

namespace KeyService.Tests.Cli;

public sealed class OutputTests
{
    [Fact]
    public void A_record_is_one_line_of_JSON_whatever_stands_in_it()
    {
        var record = new Record
        {
            ["text"] = "é \"quoted\"\nline",
            ["none"] = null,
            ["flag"] = true,
            ["count"] = 5_000_000_000L,
            ["seconds"] = 0.1234567,
            ["time"] = new DateTimeOffset(2026, 11, 22, 23, 0, 0, 123, TimeSpan.FromHours(1)),
            ["list"] = new List<string> { "a", "b" },
            ["context"] = new List<KeyValuePair<string, string>> { new("k", "v") },
            ["nested"] = new Record { ["x"] = 1 },
            ["rows"] = new List<Record> { new() { ["y"] = 2 } },
        };
        Assert.Equal(
            """{"text":"é \"quoted\"\nline","none":null,"flag":true,"count":5000000000,"seconds":0.123457,"time":"2026-11-22T22:00:00Z","list":["a","b"],"context":{"k":"v"},"nested":{"x":1},"rows":[{"y":2}]}""" + "\n",
            Encoding.UTF8.GetString(JsonLines.Line(record)));
    }

    [Fact]
    public void A_plain_table_has_aligned_columns_and_no_decoration() =>
        Assert.Equal(
            "NAME    KEY COUNT\nshort   1\nlonger  22\n",
            PlainTable.Format(
            [
                new Record { ["name"] = "short", ["key_count"] = 1 }.Detail("hidden", 1),
                new Record { ["name"] = "longer", ["key_count"] = 22 }.Detail("hidden", 2),
            ]));

    [Theory]
    [InlineData("plain", "plain")]
    [InlineData("red \u001b[31m", "red \\x1b[31m")]
    [InlineData("a\nb\t\u0085", "a\\x0ab\\x09\\x85")]
    [InlineData("äöü 漢字", "äöü 漢字")]
    public void Control_characters_of_others_do_not_reach_a_terminal(string text, string shown) => Assert.Equal(shown, Terminal.Printable(text));

    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(999, "999 B")]
    [InlineData(1_000, "1.0 kB")]
    [InlineData(999_949, "999.9 kB")]
    [InlineData(999_950, "1.0 MB")]
    [InlineData(132_000_000, "132.0 MB")]
    [InlineData(2_147_483_648, "2.1 GB")]
    public void Amounts_are_powers_of_1000(long bytes, string text) => Assert.Equal(text, Amount.Bytes(bytes));

    [Fact]
    public void Rates_and_times_are_short()
    {
        Assert.Equal("330 MB/s", Amount.Rate(132_000_000, TimeSpan.FromSeconds(0.4)));
        Assert.Equal("0.4 s", Amount.Seconds(TimeSpan.FromSeconds(0.4)));
        Assert.Equal("2 min 5 s", Amount.Seconds(TimeSpan.FromSeconds(125)));
        Assert.Equal("26 h 3 min", Amount.Seconds(TimeSpan.FromMinutes(1563)));
    }

    [Theory]
    [InlineData("30d", "2026-12-22T00:00:00Z")]
    [InlineData("12h", "2026-11-22T12:00:00Z")]
    [InlineData("2027-01-31T08:00:00+01:00", "2027-01-31T07:00:00Z")]
    public void The_end_of_a_grant_is_a_span_or_a_time(string text, string end) =>
        Assert.Equal(end, Record.Time(GrantCommands.ParseEnd(text, new DateTimeOffset(2026, 11, 22, 0, 0, 0, TimeSpan.Zero))));

    [Theory]
    [InlineData("")]
    [InlineData("d")]
    [InlineData("-3d")]
    [InlineData("0h")]
    [InlineData("soon")]
    public void What_is_no_time_is_refused(string text) => Assert.Throws<CliError>(() => GrantCommands.ParseEnd(text, DateTimeOffset.UnixEpoch));

    [Fact]
    public void A_context_pair_is_split_at_its_first_equals_sign()
    {
        Assert.Equal("b=c", ContextPairs.Parse(["a=b=c"])["a"]);
        Assert.Equal("", ContextPairs.Parse(["a="])["a"]);
        Assert.Throws<CliError>(() => ContextPairs.Parse(["a"]));
        Assert.Throws<CliError>(() => ContextPairs.Parse(["=a"]));
        Assert.Throws<InvalidContextException>(() => ContextPairs.Parse(["a=1", "a=2"]));
    }

    [Theory]
    [InlineData(56 + 16, 0L)]
    [InlineData(56 + 17, 1L)]
    [InlineData(56 + 16400 + 16, 16384L)]
    [InlineData(56 + 16400, null)]
    [InlineData(56 + 15, null)]
    [InlineData(10, null)]
    public void The_length_of_an_archive_tells_that_of_its_content_or_that_it_cannot_be_whole(long payload, long? plaintext) =>
        Assert.Equal(plaintext, InspectCommand.PlaintextLength(payload));

    [Fact]
    public void A_certificate_that_ends_soon_is_a_warning_and_one_that_ended_a_problem()
    {
        var now = new DateTimeOffset(2026, 11, 22, 0, 0, 0, TimeSpan.Zero);
        string StateAt(int from, int to) => ProfileCheck.Expiry("c", "It", now.AddDays(from), now.AddDays(to), now, "fix").State;
        Assert.Equal(Finding.GoodState, StateAt(-1, 31));
        Assert.Equal(Finding.WarningState, StateAt(-1, 30));
        Assert.Equal(Finding.ProblemState, StateAt(-2, -1));
        Assert.Equal(Finding.ProblemState, StateAt(1, 31));
    }

    [Fact]
    public void Clocks_apart_by_more_than_five_seconds_are_a_problem()
    {
        var now = DateTimeOffset.UnixEpoch;
        Assert.False(ServiceCheck.Clock(now, now.AddSeconds(5)).IsProblem);
        Assert.True(ServiceCheck.Clock(now, now.AddSeconds(6)).IsProblem);
        Assert.True(ServiceCheck.Clock(now, now.AddSeconds(-6)).IsProblem);
    }
}
