using System.Text.RegularExpressions;
using Grpc.Core;
using KeyService.Protocol.V1;
using KeyService.Server.Pipeline;

namespace KeyService.Tests.Server;

public sealed partial class RefusalTests
{
    [Fact]
    public void Every_reason_has_the_status_code_that_its_documentation_says()
    {
        var text = File.ReadAllText(Path.Combine(RepositoryRoot.Path, "src/KeyService.Protocol/keyservice/v1/reason.proto"));
        var documented = Documented().Matches(text).ToDictionary(match => match.Groups["name"].Value, match => match.Groups["code"].Value);
        var reasons = Enum.GetValues<Reason>().Where(reason => reason != Reason.Unspecified).ToList();
        Assert.Equal(reasons.Count, documented.Count);
        foreach (var reason in reasons)
            Assert.Equal(documented[RefusalStatus.NameOf(reason)], ScreamingSnake(RefusalStatus.CodeOf(reason)));
    }

    [Theory]
    [InlineData("plain", "plain")]
    [InlineData("100 %", "100 %25")]
    [InlineData("a\nb", "a%0Ab")]
    [InlineData("ä", "%C3%A4")]
    public void A_status_message_travels_percent_encoded(string message, string encoded) =>
        Assert.Equal(encoded, TrailersOnly.PercentEncode(message));

    [Theory]
    [InlineData("CN=one", 20, "CN=one")]
    [InlineData("two\nlines\0", 20, "two?lines?")]
    [InlineData("\U0001F511 key", 20, "?? key")]
    [InlineData("\U0001F511 key", 1, "?")]
    [InlineData("123456", 5, "12345")]
    public void What_a_stranger_wrote_becomes_one_line_of_ASCII(string written, int maxLength, string shown) =>
        Assert.Equal(shown, OneLine.Of(written, maxLength));

    private static string ScreamingSnake(StatusCode code) => Upper().Replace(code.ToString(), "_$0").TrimStart('_').ToUpperInvariant();

    [GeneratedRegex(@"// (?<code>[A-Z_]+)(\.| with)[^\n]*\n(\s*//[^\n]*\n)*\s*REASON_(?<name>[A-Z_]+) = ")]
    private static partial Regex Documented();

    [GeneratedRegex("[A-Z]")]
    private static partial Regex Upper();
}
