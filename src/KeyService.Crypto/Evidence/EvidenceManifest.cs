using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace KeyService.Crypto.Evidence;

/// <summary>A file of an evidence pack.</summary>
/// <param name="Name">1 to 100 characters of a-z, 0-9, '-', '.' and '/', see <see cref="EvidenceManifest.IsName"/>.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Sha256">32 bytes.</param>
public sealed record EvidenceEntry(string Name, long Length, ReadOnlyMemory<byte> Sha256)
{
    /// <summary>Of a file's bytes.</summary>
    public static EvidenceEntry Of(string name, ReadOnlySpan<byte> content) => new(name, content.Length, SHA256.HashData(content));
}

/// <summary>
/// What an evidence pack holds and says of itself: the text of a C2SP signed note, docs/spec/evidence-pack.md. There is one text for one
/// manifest.
/// <code>
/// keyservice/evidence/v1
/// installation HEX
/// from 2026-10-01T00:00:00Z
/// until 2026-11-01T00:00:00Z
/// made 2026-11-29T07:50:00Z
/// file SHA256 LENGTH NAME        one line each, by name
/// </code>
/// </summary>
public sealed class EvidenceManifest
{
    /// <summary>First line.</summary>
    public const string Label = "keyservice/evidence/v1";

    /// <summary>Files in a pack.</summary>
    public const int MaxFiles = 500;

    private const int InstallationLength = 16;
    private const int MaxNameLength = 100;
    private const string TimeFormat = "yyyy-MM-dd'T'HH:mm:ss'Z'";

    /// <param name="installation">16 bytes.</param>
    /// <param name="from">First instant of the range, in whole seconds.</param>
    /// <param name="until">First instant after it, later than <paramref name="from"/>.</param>
    /// <param name="made">When the pack was made.</param>
    /// <param name="files">1 to 500, each name once.</param>
    /// <exception cref="ArgumentException">Something is not of this form.</exception>
    public EvidenceManifest(ReadOnlySpan<byte> installation, DateTimeOffset from, DateTimeOffset until, DateTimeOffset made, IEnumerable<EvidenceEntry> files)
    {
        if (installation.Length != InstallationLength)
        {
            throw new ArgumentException($"An installation's id has {InstallationLength} bytes.", nameof(installation));
        }
        if (from >= until || new[] { from, until, made }.Any(time => time.UtcTicks % TimeSpan.TicksPerSecond != 0 || time.UtcDateTime.Year > 9998))
        {
            throw new ArgumentException("Times are in whole seconds, and the range is not empty.", nameof(until));
        }
        Files = [.. files.OrderBy(file => file.Name, StringComparer.Ordinal)];
        if (Files.Count is 0 or > MaxFiles || Files.Any(file => !IsName(file.Name) || file.Length < 0 || file.Sha256.Length != SHA256.HashSizeInBytes)
            || Files.DistinctBy(file => file.Name, StringComparer.Ordinal).Count() != Files.Count)
        {
            throw new ArgumentException($"A pack has 1 to {MaxFiles} files with names of their own.", nameof(files));
        }
        Installation = installation.ToArray();
        From = from.ToUniversalTime();
        Until = until.ToUniversalTime();
        Made = made.ToUniversalTime();
    }

    /// <summary>16 bytes.</summary>
    public ReadOnlyMemory<byte> Installation { get; }

    /// <summary>First instant of the range.</summary>
    public DateTimeOffset From { get; }

    /// <summary>First instant after the range.</summary>
    public DateTimeOffset Until { get; }

    /// <summary>When the pack was made.</summary>
    public DateTimeOffset Made { get; }

    /// <summary>By name, ordinal.</summary>
    public IReadOnlyList<EvidenceEntry> Files { get; }

    /// <summary>Parts of 1 or more characters of a-z, 0-9, '-' and '.', the first a letter or digit, separated by '/'; 1 to 100 characters.</summary>
    public static bool IsName(string name) => name.Length is > 0 and <= MaxNameLength
        && name.Split('/').All(part => part.Length > 0 && char.IsAsciiLetterOrDigit(part[0]) && part.All(c => c is (>= 'a' and <= 'z') or (>= '0' and <= '9') or '-' or '.'));

    /// <summary>False for every text but one that <see cref="ToString"/> gives.</summary>
    public static bool TryParse(string text, out EvidenceManifest? manifest)
    {
        manifest = null;
        string[] lines = text.Split('\n');
        if (lines.Length < 7 || lines[0] != Label || lines[^1].Length > 0
            || Value(lines[1], "installation ") is not { } id || Time(lines[2], "from ") is not { } from || Time(lines[3], "until ") is not { } until
            || Time(lines[4], "made ") is not { } made)
        {
            return false;
        }
        var files = new List<EvidenceEntry>();
        foreach (string line in lines[5..^1])
        {
            if (Value(line, "file ")?.Split(' ') is not [{ Length: 2 * SHA256.HashSizeInBytes } hash, var length, var name]
                || !long.TryParse(length, NumberStyles.None, CultureInfo.InvariantCulture, out long bytes) || !TryHex(hash, out byte[] sha256))
            {
                return false;
            }
            files.Add(new EvidenceEntry(name, bytes, sha256));
        }
        if (!TryHex(id, out byte[] installation))
        {
            return false;
        }
        try
        {
            manifest = new EvidenceManifest(installation, from, until, made, files);
        }
        catch (ArgumentException)
        {
            return false;
        }
        // Order, case, leading zeros: whatever is written otherwise is another text.
        if (manifest.ToString() == text)
        {
            return true;
        }
        manifest = null;
        return false;
    }

    /// <summary>The text that is signed; it ends with a line feed.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        text.Append(Label).Append('\n');
        text.Append("installation ").Append(Convert.ToHexStringLower(Installation.Span)).Append('\n');
        text.Append("from ").Append(Text(From)).Append('\n').Append("until ").Append(Text(Until)).Append('\n').Append("made ").Append(Text(Made)).Append('\n');
        foreach (EvidenceEntry file in Files)
        {
            text.Append(CultureInfo.InvariantCulture, $"file {Convert.ToHexStringLower(file.Sha256.Span)} {file.Length} {file.Name}\n");
        }
        return text.ToString();
    }

    private static string Text(DateTimeOffset time) => time.ToString(TimeFormat, CultureInfo.InvariantCulture);

    private static string? Value(string line, string name) => line.StartsWith(name, StringComparison.Ordinal) ? line[name.Length..] : null;

    private static DateTimeOffset? Time(string line, string name) => Value(line, name) is { } text
        && DateTimeOffset.TryParseExact(text, TimeFormat, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out DateTimeOffset time)
            ? time
            : null;

    private static bool TryHex(string text, out byte[] bytes)
    {
        bytes = new byte[text.Length / 2];
        return text.Length % 2 == 0 && Convert.FromHexString(text, bytes, out _, out _) == System.Buffers.OperationStatus.Done;
    }
}
