using System.Globalization;

namespace KeyService.Cli.Output;

/// <summary>Bytes, times and rates for people; powers of 1000.</summary>
internal static class Amount
{
    private static readonly string[] Units = ["B", "kB", "MB", "GB", "TB", "PB"];

    public static string Bytes(long bytes) => Scale(bytes, bytes < 1000 ? "0" : "0.0");

    public static string Rate(long bytes, TimeSpan time) => Scale(bytes / Math.Max(time.TotalSeconds, 0.001), "0") + "/s";

    public static string Seconds(TimeSpan time) => time.TotalSeconds < 60
        ? time.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture) + " s"
        : time.TotalHours < 1 ? time.ToString("m' min 's' s'", CultureInfo.InvariantCulture)
        : ((int)time.TotalHours).ToString(CultureInfo.InvariantCulture) + time.ToString("' h 'm' min'", CultureInfo.InvariantCulture);

    private static string Scale(double amount, string format)
    {
        var unit = 0;
        // 999.95 would round to 1000.0 of the smaller unit.
        while (amount >= 999.95 && unit < Units.Length - 1)
        {
            amount /= 1000;
            unit++;
        }
        return amount.ToString(format, CultureInfo.InvariantCulture) + " " + Units[unit];
    }
}
