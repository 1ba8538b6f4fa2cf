using KeyService.Server.AccessReviews;
using KeyService.Server.Hosting;

namespace KeyService.Tests.AccessReviews;

public sealed class AccessReviewConfigurationTests
{
    [Theory]
    [InlineData("", 92)]
    [InlineData(", \"accessReview\": {}", 92)]
    [InlineData(", \"accessReview\": { \"everyDays\": 180 }", 180)]
    [InlineData(", \"accessReview\": { \"everyDays\": 0 }", 0)]
    [InlineData(", \"accessReview\": { \"everyDays\": 366 }", 366)]
    public void It_is_read(string section, int days) => Assert.Equal(TimeSpan.FromDays(days), Parse(section).Every);

    [Theory]
    [InlineData("{ \"everyDays\": 367 }", "\"accessReview.everyDays\" must be a whole number from 0 to 366")]
    [InlineData("{ \"everyDays\": -1 }", "\"accessReview.everyDays\" must be a whole number from 0 to 366")]
    [InlineData("{ \"everyDays\": \"92\" }", "\"accessReview.everyDays\" must be a whole number from 0 to 366")]
    [InlineData("{ \"everyDay\": 92 }", "did you mean \"accessReview.everyDays\"?")]
    public void What_is_wrong_is_named(string section, string finding)
    {
        var exception = Assert.Throws<ConfigurationException>(() => Parse($", \"accessReview\": {section}"));
        Assert.Contains(exception.Findings, found => found.Contains(finding, StringComparison.Ordinal));
    }

    private static AccessReviewConfiguration Parse(string section) => ConfigurationFile.Parse("/srv/ks/server.json", $$"""
        {
          "listen": { "unixSocket": "run/keyservice.sock" },
          "hsm": { "module": "/usr/lib/softhsm/libsofthsm2.so", "tokenLabel": "one", "pinFile": "pin" },
          "store": { "sqlite": "keyservice.db" }{{section}}
        }
        """).AccessReview;
}
