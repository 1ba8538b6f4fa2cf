using KeyService.Server.Detection;
using KeyService.Server.Evidence;
using KeyService.Server.Storage;

namespace KeyService.Tests.Evidence;

public sealed class ReviewedMonthTests
{
    private static readonly DateTimeOffset Installed = At("2026-07-15");
    private static readonly DateTimeOffset Began = At("2026-08-20");

    [Fact]
    public void Every_month_of_the_range_is_named_signed_or_not()
    {
        var months = Of("2026-01-01", "2026-12-05", now: "2026-12-05", Began, [Finding("2026-09", open: false), Finding("2026-10", open: true), Finding("2026-10", open: false)], [SignOff("2026-09")]);
        Assert.Equal(
            [
                "2026-07,\"not signed off: nothing was looked for, detection was off\",,,0,0,",
                "2026-08,\"NOT SIGNED OFF, was due on 2026-09-10\",,,0,0,",
                "2026-09,signed off,carol,2026-10-02 00:00:00Z,1,0,reviews/2026-09.note",
                "2026-10,\"NOT SIGNED OFF, was due on 2026-11-10\",,,2,1,",
                "2026-11,\"not signed off yet, due on 2026-12-10\",,,0,0,",
                "2026-12,the month is not over,,,0,0,",
            ],
            months.Select(month => month.ToLine()));
    }

    [Fact]
    public void A_range_has_its_own_months_alone_and_its_end_is_not_in_it()
    {
        Assert.Equal(["2026-09"], Of("2026-09-01", "2026-10-01", now: "2026-12-05", Began, [], []).Select(month => month.Month));
        Assert.Equal(["2026-09", "2026-10"], Of("2026-09-30", "2026-10-02", now: "2026-12-05", Began, [], []).Select(month => month.Month));
        Assert.Empty(Of("2026-01-01", "2026-02-01", now: "2026-12-05", Began, [], []));
    }

    [Fact]
    public void A_month_before_the_installation_that_somebody_signed_is_there()
    {
        var months = Of("2026-01-01", "2026-08-01", now: "2026-12-05", null, [], [SignOff("2026-03"), SignOff("2025-12")]);
        Assert.Equal(["2026-03", "2026-07"], months.Select(month => month.Month));
    }

    [Fact]
    public void Months_are_those_of_the_sites_clocks()
    {
        var zone = TimeZoneInfo.CreateCustomTimeZone("early", TimeSpan.FromHours(-6), "early", "early");
        var configuration = new DetectionConfiguration { Calendar = new SiteCalendar(zone, new (int, int)?[7], new HashSet<DateOnly>()) };
        // 03:00 UTC of the first of October is still September there.
        var months = ReviewedMonth.Of(new EvidenceRange(At("2026-10-01"), At("2026-10-01").AddHours(3)), Installed, Began, At("2026-12-05"), configuration, [], []);
        Assert.Equal(["2026-09"], months.Select(month => month.Month));
    }

    private static IReadOnlyList<ReviewedMonth> Of(
        string from, string until, string now, DateTimeOffset? began, FindingRow[] findings, SignOffRow[] signOffs) => ReviewedMonth.Of(
        new EvidenceRange(At(from), At(until)), Installed, began, At(now), new DetectionConfiguration { Calendar = SiteCalendar.Utc }, findings, signOffs);

    private static FindingRow Finding(string month, bool open) => new() { Month = month, ClosedAt = open ? null : 1 };

    private static SignOffRow SignOff(string month) => new() { Month = month, Reviewer = "carol", SignedAt = UnixTime.Nanoseconds(At("2026-10-02")) };

    private static DateTimeOffset At(string day) => DateTimeOffset.Parse($"{day}T00:00:00Z", System.Globalization.CultureInfo.InvariantCulture);
}
