using System.Globalization;
using System.Text;
using KeyService.Crypto.Logs;

namespace KeyService.Crypto.Approvals;

/// <summary>
/// Reads the documents of this folder line by line: printable ASCII, each line "name value", a newline behind the last one too. A method that
/// answers false leaves the reader where nothing may be read any more.
/// </summary>
internal sealed class DocumentLines
{
    private const string TimeFormat = "yyyy-MM-dd'T'HH:mm:ss'Z'";
    private readonly string[] _lines;
    private int _next;

    private DocumentLines(string[] lines) => _lines = lines;

    /// <summary>Whether everything was read.</summary>
    public bool AtEnd => _next == _lines.Length;

    public static bool TryRead(ReadOnlySpan<byte> bytes, int maxLength, out DocumentLines lines)
    {
        lines = new DocumentLines([]);
        if (bytes.IsEmpty || bytes.Length > maxLength || bytes[^1] != '\n')
        {
            return false;
        }
        foreach (byte each in bytes)
        {
            if (each is (< 0x20 or > 0x7E) and not (byte)'\n')
            {
                return false;
            }
        }
        lines = new DocumentLines(Encoding.ASCII.GetString(bytes[..^1]).Split('\n'));
        return true;
    }

    public bool Label(string label) => _next < _lines.Length && _lines[_next++] == label;

    /// <summary>The next line, split at its first space.</summary>
    public bool Pair(out string name, out string value)
    {
        (name, value) = ("", "");
        int space = _next < _lines.Length ? _lines[_next].IndexOf(' ', StringComparison.Ordinal) : -1;
        if (space <= 0)
        {
            return false;
        }
        name = _lines[_next][..space];
        value = _lines[_next++][(space + 1)..];
        return true;
    }

    public bool Text(string name, out string value) => Pair(out string found, out value) && found == name;

    public bool Name(string name, out string value) => Text(name, out value) && ApprovalName.IsName(value);

    public bool Number(string name, int least, int most, out int number)
    {
        number = 0;
        return Text(name, out string value) && int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out number)
            && number >= least && number <= most && number.ToString(CultureInfo.InvariantCulture) == value;
    }

    /// <summary>So many bytes in small hexadecimal digits.</summary>
    public bool Hex(string name, int length, out byte[] bytes)
    {
        bytes = [];
        if (!Text(name, out string value) || value.Length != 2 * length || !value.All(char.IsAsciiHexDigit))
        {
            return false;
        }
        bytes = Convert.FromHexString(value);
        return Convert.ToHexStringLower(bytes) == value;
    }

    /// <summary>So many bytes in base64.</summary>
    public bool Base64(string name, int length, out byte[] bytes)
    {
        bytes = [];
        return Text(name, out string value) && StrictBase64.TryDecode(value, out bytes) && bytes.Length == length;
    }

    public bool Time(string name, out DateTimeOffset time)
    {
        time = default;
        return Text(name, out string value) && TryTime(value, out time);
    }

    /// <summary>What <see cref="TimeText"/> writes.</summary>
    public static bool TryTime(string text, out DateTimeOffset time) =>
        DateTimeOffset.TryParseExact(text, TimeFormat, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out time)
        && TimeText(time) == text;

    /// <summary>RFC 3339, UTC, whole seconds.</summary>
    public static string TimeText(DateTimeOffset time) => time.UtcDateTime.ToString(TimeFormat, CultureInfo.InvariantCulture);

    /// <summary>The time without what is below a second.</summary>
    public static DateTimeOffset WholeSeconds(DateTimeOffset time) =>
        new(time.UtcTicks / TimeSpan.TicksPerSecond * TimeSpan.TicksPerSecond, TimeSpan.Zero);
}
