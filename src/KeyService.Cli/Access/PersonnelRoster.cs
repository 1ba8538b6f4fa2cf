using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using KeyService.Cli.CommandLine;

namespace KeyService.Cli.Access;

/// <summary>A line of the personnel office's list.</summary>
/// <param name="Principal">Name of a principal.</param>
/// <param name="Manager">Name of the principal who answers for it; empty when there is none.</param>
/// <param name="LeftTime">When they left; null for who is here.</param>
internal sealed record RosterEntry(string Principal, string Manager, DateTimeOffset? LeftTime);

/// <summary>
/// The personnel office's list as CSV (RFC 4180), read strictly: UTF-8 without a byte order mark, the header <c>principal,manager,left</c>, each
/// principal once, times as 2027-01-31 (its beginning, UTC) or 2027-01-31T17:00:00Z. What breaks a rule is an error with its line: a list that is
/// read wrong takes access from the wrong person.
/// </summary>
internal static class PersonnelRoster
{
    private const int MaxLength = 16 * 1024 * 1024;
    private const int Columns = 3;
    private static readonly string[] TimeForms = ["yyyy-MM-dd", "yyyy-MM-dd'T'HH:mm:ss'Z'"];

    /// <exception cref="CliError">A rule is broken; the message names the line.</exception>
    public static IReadOnlyList<RosterEntry> Load(string path) => Load(path, out _);

    /// <inheritdoc cref="Load(string)"/>
    /// <param name="path">The file.</param>
    /// <param name="sha256">Of the bytes that were read, 32 bytes.</param>
    public static IReadOnlyList<RosterEntry> Load(string path, out byte[] sha256)
    {
        if (new FileInfo(path) is { Exists: true, Length: > MaxLength })
        {
            throw CliError.Usage($"{path} is larger than 16 MiB.", "Give the list of the personnel office alone.");
        }
        var bytes = File.ReadAllBytes(path);
        sha256 = SHA256.HashData(bytes);
        return TryParse(bytes, out var entries, out var problem)
            ? entries
            : throw CliError.Usage($"{path}, {problem}.", "The list is CSV with the header principal,manager,left (docs/cli.md).");
    }

    /// <summary>False with the line and what is wrong there, as a sentence without a full stop.</summary>
    public static bool TryParse(ReadOnlySpan<byte> csv, out IReadOnlyList<RosterEntry> entries, out string problem)
    {
        var read = new List<RosterEntry>();
        entries = read;
        if (csv.Length > MaxLength || !System.Text.Unicode.Utf8.IsValid(csv))
        {
            problem = "line 1: it is not UTF-8 of at most 16 MiB";
            return false;
        }
        var text = Encoding.UTF8.GetString(csv);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var at = 0;
        for (var line = 1; at < text.Length; line++)
        {
            if (!TryLine(text, ref at, out var fields))
            {
                problem = $"line {line}: it is no line of CSV";
                return false;
            }
            if (line == 1)
            {
                if (fields is not ["principal", "manager", "left"])
                {
                    problem = "line 1: the header is not principal,manager,left";
                    return false;
                }
                continue;
            }
            if (Problem(fields, seen, out var entry) is { } wrong)
            {
                problem = $"line {line}: {wrong}";
                return false;
            }
            read.Add(entry!);
        }
        problem = at == 0 ? "line 1: it is empty" : "";
        return at > 0;
    }

    private static string? Problem(List<string> fields, HashSet<string> seen, out RosterEntry? entry)
    {
        entry = null;
        if (fields.Count != Columns)
        {
            return $"it has {fields.Count} columns, not {Columns}";
        }
        if (!IsName(fields[0]))
        {
            return "the first column is no principal's name";
        }
        if (!seen.Add(fields[0]))
        {
            return $"{fields[0]} stands twice";
        }
        if (fields[1].Length > 0 && !IsName(fields[1]))
        {
            return "the second column is no principal's name";
        }
        DateTimeOffset? left = null;
        if (fields[2].Length > 0)
        {
            if (!DateTimeOffset.TryParseExact(
                fields[2], TimeForms, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var time))
            {
                return "the third column is no time such as 2027-01-31 or 2027-01-31T17:00:00Z";
            }
            left = time;
        }
        entry = new RosterEntry(fields[0], fields[1], left);
        return null;
    }

    // Fields between commas, up to CRLF or LF; in quotation marks, doubled ones stand for one. Nothing stands beside a quoted field.
    private static bool TryLine(string text, ref int at, out List<string> fields)
    {
        fields = [];
        while (true)
        {
            if (!TryField(text, ref at, out var field))
            {
                return false;
            }
            fields.Add(field);
            if (at == text.Length)
            {
                return true;
            }
            switch (text[at++])
            {
                case ',':
                    continue;
                case '\n':
                    return true;
                case '\r' when at < text.Length && text[at] == '\n':
                    at++;
                    return true;
                default:
                    return false;
            }
        }
    }

    private static bool TryField(string text, ref int at, out string field)
    {
        var value = new StringBuilder();
        field = "";
        if (at == text.Length || text[at] != '"')
        {
            while (at < text.Length && text[at] is not (',' or '\n' or '\r'))
            {
                if (text[at] == '"')
                {
                    return false;
                }
                value.Append(text[at++]);
            }
            field = value.ToString();
            return true;
        }
        for (at++; at < text.Length; at++)
        {
            if (text[at] != '"')
            {
                value.Append(text[at]);
            }
            else if (at + 1 < text.Length && text[at + 1] == '"')
            {
                value.Append('"');
                at++;
            }
            else
            {
                at++;
                field = value.ToString();
                return true;
            }
        }
        return false;
    }

    private static bool IsName(string text) => text.Length is > 0 and <= 64 && text[0] is not ('.' or '_' or '-')
        && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '.' or '_' or '-');
}
