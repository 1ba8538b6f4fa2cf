using KeyService.Server.Detection;
using KeyService.Server.Hosting;

namespace KeyService.Tests.Detection;

public sealed class DetectionConfigurationTests
{
    private const string Good = """
        {
          "timeZone": "Europe/Berlin", "holidays": "2026-12-25 2026-12-26",
          "openingHours": { "monday": "08:00-18:30", "saturday": "closed", "sunday": "00:00-24:00" },
          "failedLogins": 5, "failedLoginsMinutes": 30, "afterHoursRecords": 0, "bulkRecords": 500, "bulkMinutes": 10, "bulkExcept": "ehr lab",
          "reviewDays": 3, "signOffDay": 5
        }
        """;

    [Fact]
    public void Without_the_section_nothing_is_looked_for()
    {
        Assert.Null(Parse(""));
        Assert.NotNull(Parse(", \"detection\": {}"));
    }

    [Fact]
    public void Everything_is_read()
    {
        var configuration = Parse($", \"detection\": {Good}")!;
        Assert.Equal((5, TimeSpan.FromMinutes(30), 0, 500, TimeSpan.FromMinutes(10)),
            (configuration.FailedLogins, configuration.FailedLoginsWithin, configuration.AfterHoursRecords, configuration.BulkRecords, configuration.BulkWithin));
        Assert.Equal((TimeSpan.FromDays(3), 5), (configuration.ReviewWithin, configuration.SignOffDay));
        Assert.Equal(["ehr", "lab"], configuration.BulkExcept.Order());
        Assert.True(configuration.Calendar.IsOpen(new DateTimeOffset(2026, 11, 23, 17, 29, 0, TimeSpan.Zero)));
        Assert.False(configuration.Calendar.IsOpen(new DateTimeOffset(2026, 11, 23, 17, 30, 0, TimeSpan.Zero)));
        Assert.False(configuration.Calendar.IsOpen(new DateTimeOffset(2026, 11, 24, 12, 0, 0, TimeSpan.Zero)));
        Assert.True(configuration.Calendar.IsOpen(new DateTimeOffset(2026, 11, 22, 22, 59, 0, TimeSpan.Zero)));
        Assert.False(configuration.Calendar.IsOpen(new DateTimeOffset(2026, 12, 25, 12, 0, 0, TimeSpan.Zero)));
    }

    [Theory]
    [InlineData("Europe/Berlin", "Europe/Nowhere", "\"detection.timeZone\" must be a time zone that this machine knows")]
    [InlineData("2026-12-26", "26.12.2026", "\"detection.holidays\" must be days like")]
    [InlineData("2026-12-26", "2026-02-30", "\"2026-02-30\" is none")]
    [InlineData("08:00-18:30", "18:30-08:00", "\"detection.openingHours.monday\" must be hours like")]
    [InlineData("08:00-18:30", "8-18", "\"detection.openingHours.monday\" must be hours like")]
    [InlineData("00:00-24:00", "00:00-24:01", "\"detection.openingHours.sunday\" must be hours like")]
    [InlineData("\"monday\"", "\"mo\"", "\"detection.openingHours.mo\" is not a key of this configuration")]
    [InlineData("\"failedLogins\": 5", "\"failedLogins\": 0", "\"detection.failedLogins\" must be a whole number from 1 to 1000")]
    [InlineData("\"signOffDay\": 5", "\"signOffDay\": 29", "\"detection.signOffDay\" must be a whole number from 1 to 28")]
    [InlineData("\"bulkRecords\"", "\"bulkRecord\"", "did you mean \"detection.bulkRecords\"?")]
    public void What_is_wrong_is_named(string good, string bad, string finding)
    {
        Assert.Contains(good, Good, StringComparison.Ordinal);
        var exception = Assert.Throws<ConfigurationException>(() => Parse($", \"detection\": {Good.Replace(good, bad, StringComparison.Ordinal)}"));
        Assert.Contains(exception.Findings, found => found.Contains(finding, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("2026-11-22", "2026-12-10", "")]
    [InlineData("2026-11-22", "2026-12-11", "2026-11")]
    [InlineData("2026-11-22", "2027-02-11", "2026-11 2026-12 2027-01")]
    [InlineData("2026-11-30", "2026-11-30", "")]
    public void Months_are_due_on_the_day_after_the_last_one(string began, string now, string due)
    {
        static DateTimeOffset Time(string day) => new(DateOnly.Parse(day, System.Globalization.CultureInfo.InvariantCulture).ToDateTime(default), TimeSpan.Zero);
        Assert.Equal(due, string.Join(' ', Months.Due(Parse(", \"detection\": {}")!, Time(began), Time(now))));
    }

    private static DetectionConfiguration? Parse(string section) => ConfigurationFile.Parse("/srv/ks/server.json", $$"""
        {
          "listen": { "unixSocket": "run/keyservice.sock" },
          "hsm": { "module": "/usr/lib/softhsm/libsofthsm2.so", "tokenLabel": "one", "pinFile": "pin" },
          "store": { "sqlite": "keyservice.db" }{{section}}
        }
        """).Detection;
}
