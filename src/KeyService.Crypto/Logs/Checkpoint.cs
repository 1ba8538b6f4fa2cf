using System.Globalization;

namespace KeyService.Crypto.Logs;

/// <summary>How far a log reached and what stood in it (C2SP tlog-checkpoint): the text of a note. docs/spec/audit-log.md.</summary>
/// <param name="Origin">Which log.</param>
/// <param name="Size">Leaves, 0 or more.</param>
/// <param name="Root">Root of the RFC 6962 tree, 32 bytes.</param>
/// <param name="Extensions">Further lines, of other logs; ours have none.</param>
public sealed record Checkpoint(string Origin, long Size, byte[] Root, IReadOnlyList<string> Extensions)
{
    /// <summary>A checkpoint as the service makes them.</summary>
    public Checkpoint(string origin, long size, byte[] root)
        : this(origin, size, root, [])
    {
    }

    /// <summary>The note's text.</summary>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Origin}\n{Size}\n{Convert.ToBase64String(Root)}\n{string.Concat(Extensions.Select(line => line + "\n"))}");

    /// <summary>Reads the text of a note; what parses is written again in the same way.</summary>
    public static bool TryParse(string text, out Checkpoint? checkpoint)
    {
        checkpoint = null;
        string[] lines = text.Split('\n');
        // Behind the last newline stands nothing.
        if (lines.Length < 4 || lines[^1].Length != 0 || lines[..^1].Any(line => line.Length == 0)
            || !TryParseNumber(lines[1], out long size) || !StrictBase64.TryDecodeHash(lines[2], out byte[] root))
        {
            return false;
        }
        checkpoint = new Checkpoint(lines[0], size, root, lines[3..^1]);
        return true;
    }

    /// <inheritdoc/>
    public bool Equals(Checkpoint? other) => other is not null && ToString() == other.ToString();

    /// <inheritdoc/>
    public override int GetHashCode() => ToString().GetHashCode(StringComparison.Ordinal);

    /// <summary>Decimal digits without leading zeros, 0 to 2^63 - 1.</summary>
    internal static bool TryParseNumber(string text, out long number) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number.ToString(CultureInfo.InvariantCulture) == text;
}
