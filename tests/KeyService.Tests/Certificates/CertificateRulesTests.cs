using KeyService.Server.Alarms;
using KeyService.Server.Certificates;

namespace KeyService.Tests.Certificates;

public sealed class CertificateRulesTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);

    /// <summary>Life and what is left of it, in days.</summary>
    [Theory]
    [InlineData(365, 300, null)]
    [InlineData(366, 300, null)]
    [InlineData(367, 300, "warning")]
    [InlineData(400, 6, "critical")]
    [InlineData(365, 30, null)]
    [InlineData(365, 29.9, "warning")]
    [InlineData(365, 7, "warning")]
    [InlineData(365, 6.9, "critical")]
    [InlineData(365, -1, "critical")]
    [InlineData(20, 20, "warning")]
    [InlineData(14, 5, null)]
    [InlineData(14, 4, "warning")]
    [InlineData(14, 2, "critical")]
    [InlineData(0.04, 0.03, null)]
    public void What_a_certificate_is_told_for(double life, double left, string? severity)
    {
        var finding = CertificateRules.Finding(Of(life, left), isAuthority: false, Now);
        Assert.Equal(severity, finding?.Severity.ToString().ToLowerInvariant());
    }

    [Fact]
    public void An_authority_may_live_for_years_and_its_end_is_told()
    {
        Assert.Null(CertificateRules.Finding(Of(3650, 300), isAuthority: true, Now));
        Assert.Equal(AlarmSeverity.Warning, CertificateRules.Finding(Of(3650, 29), isAuthority: true, Now)?.Severity);
    }

    [Fact]
    public void Both_findings_stand_in_one_sentence_each()
    {
        var message = CertificateRules.Finding(Of(400, 10), isAuthority: false, Now)?.Message;
        Assert.Equal("It ends 2026-12-02 12:00:00Z. It lives 400 days; at most 12 months (366 days) are right.", message);
    }

    internal static CertificateFacts Of(double life, double left, string name = "one", DateTimeOffset? now = null)
    {
        var end = (now ?? Now) + TimeSpan.FromDays(left);
        return new CertificateFacts($"CN={name}", "01", $"{name}-{life}-{left}", end - TimeSpan.FromDays(life), end);
    }
}
