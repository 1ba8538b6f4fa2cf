using System.Globalization;
using KeyService.Cli.CommandLine;

namespace KeyService.Cli.Archives;

/// <summary>
/// What <c>decrypt --range</c> names: <c>START-END</c> with both ends included (as in HTTP and curl), <c>START-</c> to the end,
/// <c>START+LENGTH</c>, or <c>-LENGTH</c> for the last bytes. Offsets count from 0 in the plaintext.
/// </summary>
internal readonly record struct ByteRange
{
    private readonly long? start;
    private readonly long? length;

    private ByteRange(long? start, long? length)
    {
        this.start = start;
        this.length = length;
    }

    public static ByteRange Parse(string text)
    {
        var at = text.IndexOfAny(['-', '+']);
        if (at >= 0)
        {
            var (left, right, sign) = (text[..at], text[(at + 1)..], text[at]);
            if (left.Length == 0 && sign == '-' && Number(right) is { } suffix)
            {
                return new ByteRange(null, suffix);
            }
            if (Number(left) is { } start)
            {
                if (sign == '-' && right.Length == 0)
                {
                    return new ByteRange(start, null);
                }
                if (Number(right) is { } second && (sign == '+' || second >= start))
                {
                    return new ByteRange(start, sign == '+' ? second : second - start + 1);
                }
            }
        }
        throw CliError.Usage($"{text} is no range.",
            "Write START-END (both included: 0-499 is the first 500 bytes), START-, START+LENGTH, or --range=-LENGTH for the last bytes.");
    }

    /// <summary>The part of a content of this length; an end beyond it is its end.</summary>
    public (long Start, long Length) Within(long content)
    {
        if (start is not { } from)
        {
            var last = Math.Min(length!.Value, content);
            return (content - last, last);
        }
        return from < content
            ? (from, Math.Min(length ?? long.MaxValue, content - from))
            : throw CliError.Usage($"The range begins at {from}, and the content has {content} bytes.", "Name a range inside it.");
    }

    private static long? Number(string text) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number < long.MaxValue ? number : null;
}
