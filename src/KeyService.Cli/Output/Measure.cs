using System.Globalization;

namespace KeyService.Cli.Output;

/// <summary>What a progress counts, and how it writes an amount of it.</summary>
internal sealed record Measure(Func<long, string> Amount, Func<long, TimeSpan, string> Rate)
{
    public static Measure Bytes { get; } = new(Output.Amount.Bytes, Output.Amount.Rate);

    public static Measure Rows { get; } = new(
        count => string.Create(CultureInfo.InvariantCulture, $"{count} {(count == 1 ? "row" : "rows")}"),
        (count, time) => string.Create(CultureInfo.InvariantCulture, $"{count / Math.Max(time.TotalSeconds, 0.001):0} rows/s"));

    public static Measure Items { get; } = new(
        count => string.Create(CultureInfo.InvariantCulture, $"{count} {(count == 1 ? "item" : "items")}"),
        (count, time) => string.Create(CultureInfo.InvariantCulture, $"{count / Math.Max(time.TotalSeconds, 0.001):0} items/s"));
}
