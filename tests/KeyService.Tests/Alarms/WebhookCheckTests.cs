using KeyService.Server.Hosting;

namespace KeyService.Tests.Alarms;

public sealed class WebhookCheckTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("keyservice-webhook-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Theory]
    [InlineData("0123456789abcdef\n", true)]
    [InlineData("0123456789abcde\n", false)]
    [InlineData("", false)]
    [InlineData("\n0123456789abcdef\n", false)]
    public void A_secret_is_a_first_line_of_16_bytes_or_more(string content, bool good) =>
        Assert.Equal(good ? FindingState.Good : FindingState.Problem, Assert.Single(Run(content, ca: null)).State);

    [Fact]
    public void A_CA_that_is_none_is_a_problem_before_an_alarm_needs_it()
    {
        Assert.Equal([FindingState.Good, FindingState.Problem], Run("0123456789abcdef", ca: "").Select(finding => finding.State));
        Assert.Equal(
            [FindingState.Good, FindingState.Problem],
            Run("0123456789abcdef", ca: "-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n").Select(finding => finding.State));
    }

    private List<Finding> Run(string secret, string? ca)
    {
        var secretFile = Path.Combine(_directory, "secret");
        File.WriteAllText(secretFile, secret);
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(secretFile, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }

        var caFile = ca is null ? null : Path.Combine(_directory, "ca.crt");
        if (caFile is not null)
        {
            File.WriteAllText(caFile, ca);
        }

        return [.. WebhookCheck.Run(
            new WebhookConfiguration(new Uri("https://alarms.example.org/"), secretFile, caFile), new DateTimeOffset(2026, 11, 22, 12, 0, 0, TimeSpan.Zero))];
    }
}
