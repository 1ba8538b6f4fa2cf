using System.Text;
using KeyService.Protocol.V1;
using KeyService.Server.Evidence;

namespace KeyService.Tests.Evidence;

public sealed class EvidencePageTests
{
    private static readonly EvidenceRange Range = new(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddDays(1));

    [Fact]
    public void Each_item_stands_with_its_paragraph_and_its_files()
    {
        var page = Page(new EvidenceItem("reviews/sign-offs.csv", "Months", "164.308(a)(1)(ii)(D)", "Who & when.", 1, []) with { Beside = [new EvidenceFile("reviews/2026-10.note", [])] });
        Assert.Contains("<td>164.308(a)(1)(ii)(D)</td>", page, StringComparison.Ordinal);
        Assert.Contains("Who &amp; when.", page, StringComparison.Ordinal);
        Assert.Contains("<a href=\"reviews/sign-offs.csv\">", page, StringComparison.Ordinal);
        Assert.Contains("1 entry<br><a href=\"reviews/2026-10.note\">", page, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_written_by_others_is_text_and_nothing_is_loaded_or_run()
    {
        var page = Page(new EvidenceItem("a", "<script>alert(1)</script>", "\"onload=\"", "<img src=x>", 2, []));
        Assert.DoesNotContain("<script", page, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("<img", page, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("http", page, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("\"onload", page, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("plain", "plain")]
    [InlineData("a,b", "\"a,b\"")]
    [InlineData("say \"no\"", "\"say \"\"no\"\"\"")]
    [InlineData("=1+1", "'=1+1")]
    [InlineData("-1", "'-1")]
    [InlineData("@x\ny", "\"'@x\ny\"")]
    [InlineData("", "")]
    public void A_field_of_a_line_is_text_to_a_spreadsheet_too(string field, string written) => Assert.Equal($"first,{written}", CsvLine.Of("first", field));

    [Fact]
    public void Messages_are_a_list_and_lines_stand_under_their_header()
    {
        Assert.Equal("[]\n", Encoding.UTF8.GetString(EvidenceItem.OfMessages("a", "", "", "", []).Content));
        var two = EvidenceItem.OfMessages("a", "", "", "", [new SignOff { Month = "2026-10" }, new SignOff { Month = "2026-11" }]);
        Assert.Equal((2L, "2026-11"), (two.Count, System.Text.Json.JsonDocument.Parse(two.Content).RootElement[1].GetProperty("month").GetString()));
        var lines = EvidenceItem.OfLines("a", "", "", "", "x,y", ["1,2"]);
        Assert.Equal((1L, "x,y\n1,2\n"), (lines.Count, Encoding.UTF8.GetString(lines.Content)));
    }

    private static string Page(params EvidenceItem[] items) => Encoding.UTF8.GetString(EvidencePage.Make("00", Range, DateTimeOffset.UnixEpoch, developmentOnly: true, withLog: false, items));
}
