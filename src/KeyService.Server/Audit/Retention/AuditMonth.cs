using System.Globalization;

namespace KeyService.Server.Audit.Retention;

/// <summary>A calendar month in UTC, as records are partitioned and kept by: "2026-11".</summary>
/// <param name="Number">Year times 100 plus month, 197001 to 999912.</param>
internal readonly record struct AuditMonth(int Number) : IComparable<AuditMonth>
{
    private const string Format = "yyyy-MM";

    /// <summary>First instant.</summary>
    public DateTimeOffset Begin => new(Number / 100, Number % 100, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>First instant after.</summary>
    public DateTimeOffset End => Begin.AddMonths(1);

    public static AuditMonth Of(DateTimeOffset time) => new((time.UtcDateTime.Year * 100) + time.UtcDateTime.Month);

    /// <summary>Four digits, a hyphen, two digits, from 1970-01 to 9998-12.</summary>
    public static bool TryParse(string text, out AuditMonth month)
    {
        month = default;
        if (text.Length != Format.Length
            || !DateTimeOffset.TryParseExact(text, Format, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var begin)
            || begin.Year is < 1970 or > 9998)
        {
            return false;
        }

        month = Of(begin);
        return true;
    }

    public int CompareTo(AuditMonth other) => Number.CompareTo(other.Number);

    public override string ToString() => Begin.ToString(Format, CultureInfo.InvariantCulture);
}
