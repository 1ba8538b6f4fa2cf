namespace KeyService.Crypto;

/// <summary>What a quota counts. The numbers are frozen: docs/spec/grant-terms.md.</summary>
public enum QuotaMeasure : byte
{
    /// <summary>Calls that were answered.</summary>
    Calls = 1,

    /// <summary>Items of answered calls: fields of a batch, data keys; 1 for a call about one thing.</summary>
    Items = 2,

    /// <summary>Bytes of plaintext.</summary>
    Bytes = 3,
}

/// <summary>The time after which a quota begins anew, in UTC. The numbers are frozen: docs/spec/grant-terms.md.</summary>
public enum QuotaWindow : byte
{
    /// <summary>From the full hour to the next.</summary>
    Hour = 1,

    /// <summary>From midnight UTC to the next.</summary>
    Day = 2,
}

/// <summary>How much may be done under one grant in a window.</summary>
/// <param name="Measure">What is counted.</param>
/// <param name="Window">When the count begins anew.</param>
/// <param name="Limit">1 to 2^53 - 1.</param>
public readonly record struct Quota(QuotaMeasure Measure, QuotaWindow Window, long Limit)
{
    /// <summary>The greatest limit: what every JSON reader holds exactly.</summary>
    public const long MaxLimit = (1L << 53) - 1;

    /// <summary>Quotas of one grant at most: one for each measure and window.</summary>
    public const int MaxCount = 6;

    /// <summary>True when each part is what it may be.</summary>
    public bool IsValid => Measure is >= QuotaMeasure.Calls and <= QuotaMeasure.Bytes && Window is QuotaWindow.Hour or QuotaWindow.Day && Limit is >= 1 and <= MaxLimit;

    /// <summary>The beginning of the window that <paramref name="time"/> is in.</summary>
    public DateTimeOffset WindowStart(DateTimeOffset time) => Window == QuotaWindow.Hour
        ? new DateTimeOffset(time.UtcDateTime.Date.AddHours(time.UtcDateTime.Hour), TimeSpan.Zero)
        : new DateTimeOffset(time.UtcDateTime.Date, TimeSpan.Zero);

    /// <summary>The end of the window that <paramref name="time"/> is in.</summary>
    public DateTimeOffset WindowEnd(DateTimeOffset time) => WindowStart(time) + (Window == QuotaWindow.Hour ? TimeSpan.FromHours(1) : TimeSpan.FromDays(1));

    /// <summary>For example <c>items/day=10000</c>; <see cref="TryParse"/> reads it.</summary>
    public override string ToString() => $"{NameOf(Measure)}/{(Window == QuotaWindow.Hour ? "hour" : "day")}={Limit.ToString(System.Globalization.CultureInfo.InvariantCulture)}";

    /// <summary>Reads <c>MEASURE/WINDOW=LIMIT</c>: calls, items or bytes; hour or day; a number without sign, zeros or separators before it.</summary>
    public static bool TryParse(string? text, out Quota quota)
    {
        quota = default;
        if (text?.Split('/', '=') is not [var measure, var window, var number]
            || !long.TryParse(number, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out long limit))
        {
            return false;
        }
        var read = new Quota(
            measure switch { "calls" => QuotaMeasure.Calls, "items" => QuotaMeasure.Items, "bytes" => QuotaMeasure.Bytes, _ => 0 },
            window switch { "hour" => QuotaWindow.Hour, "day" => QuotaWindow.Day, _ => 0 },
            limit);
        if (!read.IsValid || !string.Equals(read.ToString(), text, StringComparison.Ordinal))
        {
            return false;
        }
        quota = read;
        return true;
    }

    private static string NameOf(QuotaMeasure measure) => measure switch
    {
        QuotaMeasure.Calls => "calls",
        QuotaMeasure.Items => "items",
        _ => "bytes",
    };
}
