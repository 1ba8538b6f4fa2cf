using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using KeyService.Crypto.Approvals;
using KeyService.Crypto.Logs;

namespace KeyService.Crypto.AccessReviews;

/// <summary>
/// What a closed review of access found and decided of every principal: the text of a C2SP signed note, docs/spec/access-review.md. There is one text
/// for one result.
/// <code>
/// keyservice/INSTALLATION/access-reviews
/// review 00112233445566aa
/// started 2026-11-29T15:00:00Z alice
/// due 2026-12-13T15:00:00Z
/// closed 2026-12-13T15:00:04Z -               by whom, or by itself
/// roster SHA256
/// principals 2
/// NAME TYPE MANAGER FINDING VERDICT TIME ACCESS-SHA256 [NOTE]     a line each, by name; what is absent is -
/// </code>
/// </summary>
public sealed class AccessReviewResult
{
    /// <summary>Principals in a review: the note then fits one message of the service.</summary>
    public const int MaxPrincipals = 4000;

    /// <summary>Bytes of the signed note.</summary>
    public const int MaxLength = 4 * 1024 * 1024;

    private const string Absent = "-";
    private const string OriginStart = "keyservice/";
    private const string OriginEnd = "/access-reviews";
    private const string TimeFormat = "yyyy-MM-dd'T'HH:mm:ss'Z'";
    private const int InstallationLength = 16;
    private const int HeaderLines = 7;

    // NAME TYPE MANAGER FINDING VERDICT TIME DIGEST and the rest of the line.
    private const int Fields = 8;

    /// <param name="installation">16 bytes.</param>
    /// <param name="id">The review's number, not 0.</param>
    /// <param name="startedBy">Who started it, and so attests nothing in it.</param>
    /// <param name="startTime">In whole seconds, as all times here.</param>
    /// <param name="dueTime">Later than <paramref name="startTime"/>.</param>
    /// <param name="closeTime">Not before it was started.</param>
    /// <param name="closedBy">Who closed it before its time; empty when it ended by itself.</param>
    /// <param name="rosterSha256">Of the personnel office's list, 32 bytes.</param>
    /// <param name="entries">1 to <see cref="MaxPrincipals"/>, each principal once, each decided between start and close.</param>
    /// <exception cref="ArgumentException">Something is not of this form.</exception>
    public AccessReviewResult(
        ReadOnlySpan<byte> installation, ulong id, string startedBy, DateTimeOffset startTime, DateTimeOffset dueTime, DateTimeOffset closeTime, string closedBy,
        ReadOnlySpan<byte> rosterSha256, IEnumerable<AccessReviewEntry> entries)
    {
        if (installation.Length != InstallationLength || id == 0 || rosterSha256.Length != SHA256.HashSizeInBytes)
        {
            throw new ArgumentException("An installation's id has 16 bytes, the list's SHA-256 32, and a review a number.", nameof(installation));
        }
        if (!ApprovalName.IsName(startedBy) || (closedBy.Length > 0 && !ApprovalName.IsName(closedBy)))
        {
            throw new ArgumentException("Whoever starts or closes a review is a principal.", nameof(startedBy));
        }
        Entries = [.. entries.OrderBy(entry => entry.Principal, StringComparer.Ordinal)];
        if (startTime >= dueTime || closeTime < startTime || Entries.Select(entry => entry.Time).Append(startTime).Append(dueTime).Append(closeTime).Any(time => !IsTime(time)))
        {
            throw new ArgumentException("Times are in whole seconds, and a review is due and closed after it was started.", nameof(startTime));
        }
        if (Entries.Count is 0 or > MaxPrincipals
            || Entries.Any(entry => !entry.KeepsRules() || entry.Manager == startedBy || entry.Time < startTime || entry.Time > closeTime)
            || Entries.DistinctBy(entry => entry.Principal, StringComparer.Ordinal).Count() != Entries.Count)
        {
            throw new ArgumentException($"A review has 1 to {MaxPrincipals} principals, each once, and of each what one of its verdicts has.", nameof(entries));
        }
        Installation = installation.ToArray();
        Id = id;
        StartedBy = startedBy;
        StartTime = startTime.ToUniversalTime();
        DueTime = dueTime.ToUniversalTime();
        CloseTime = closeTime.ToUniversalTime();
        ClosedBy = closedBy;
        RosterSha256 = rosterSha256.ToArray();
    }

    /// <summary>16 bytes.</summary>
    public ReadOnlyMemory<byte> Installation { get; }

    /// <summary>Number of the review.</summary>
    public ulong Id { get; }

    /// <summary>16 hexadecimal digits.</summary>
    public string IdText => Id.ToString("x16", CultureInfo.InvariantCulture);

    /// <summary>Who started it.</summary>
    public string StartedBy { get; }

    /// <summary>When it was started.</summary>
    public DateTimeOffset StartTime { get; }

    /// <summary>When it was to end.</summary>
    public DateTimeOffset DueTime { get; }

    /// <summary>When the result was signed.</summary>
    public DateTimeOffset CloseTime { get; }

    /// <summary>Who closed it before its time; empty when it ended by itself.</summary>
    public string ClosedBy { get; }

    /// <summary>Of the personnel office's list, 32 bytes.</summary>
    public ReadOnlyMemory<byte> RosterSha256 { get; }

    /// <summary>By name, ordinal.</summary>
    public IReadOnlyList<AccessReviewEntry> Entries { get; }

    /// <summary>The first line, and the name of the key that signs.</summary>
    public string Origin => OriginOf(Installation.Span);

    /// <summary>The first line of every result of an installation.</summary>
    /// <param name="installation">16 bytes.</param>
    public static string OriginOf(ReadOnlySpan<byte> installation) => $"{OriginStart}{Convert.ToHexStringLower(installation)}{OriginEnd}";

    /// <summary>Reads a signed result. That it parses says nothing of its signatures: <see cref="NoteVerifier"/> does.</summary>
    /// <returns>False for every note but one whose text <see cref="ToString"/> gives.</returns>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out SignedNote? note, out AccessReviewResult? result)
    {
        result = null;
        return SignedNote.TryParse(bytes, MaxLength, out note) && TryParse(note!.Text, out result);
    }

    /// <summary>False for every text but one that <see cref="ToString"/> gives.</summary>
    public static bool TryParse(string text, out AccessReviewResult? result)
    {
        result = null;
        string[] lines = text.Split('\n');
        if (lines.Length < HeaderLines + 2 || lines[^1].Length > 0 || lines[0].Length < OriginStart.Length + OriginEnd.Length
            || !lines[0].StartsWith(OriginStart, StringComparison.Ordinal) || !lines[0].EndsWith(OriginEnd, StringComparison.Ordinal)
            || !TryHex(lines[0][OriginStart.Length..^OriginEnd.Length], out byte[] installation)
            || !TryHex(Value(lines[1], "review "), out byte[] id) || id.Length != sizeof(ulong)
            || Value(lines[2], "started ")?.Split(' ') is not [var started, var startedBy] || !TryTime(started, out DateTimeOffset startTime)
            || !TryTime(Value(lines[3], "due "), out DateTimeOffset dueTime)
            || Value(lines[4], "closed ")?.Split(' ') is not [var closed, var closedBy] || !TryTime(closed, out DateTimeOffset closeTime)
            || !TryHex(Value(lines[5], "roster "), out byte[] roster))
        {
            return false;
        }
        var entries = new List<AccessReviewEntry>();
        foreach (string line in lines[HeaderLines..^1])
        {
            if (!TryEntry(line, out AccessReviewEntry? entry))
            {
                return false;
            }
            entries.Add(entry!);
        }
        try
        {
            result = new AccessReviewResult(
                installation, System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(id), startedBy, startTime, dueTime, closeTime, Present(closedBy), roster, entries);
        }
        catch (ArgumentException)
        {
            return false;
        }
        // Order, case, the number of lines: whatever is written otherwise is another text.
        if (result.ToString() == text)
        {
            return true;
        }
        result = null;
        return false;
    }

    /// <summary>The text that is signed; it ends with a line feed.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        text.Append(Origin).Append('\n')
            .Append("review ").Append(IdText).Append('\n')
            .Append("started ").Append(Text(StartTime)).Append(' ').Append(StartedBy).Append('\n')
            .Append("due ").Append(Text(DueTime)).Append('\n')
            .Append("closed ").Append(Text(CloseTime)).Append(' ').Append(OrAbsent(ClosedBy)).Append('\n')
            .Append("roster ").Append(Convert.ToHexStringLower(RosterSha256.Span)).Append('\n')
            .Append(CultureInfo.InvariantCulture, $"principals {Entries.Count}\n");
        foreach (AccessReviewEntry entry in Entries)
        {
            text.Append(entry.Principal).Append(' ').Append(entry.Type).Append(' ').Append(OrAbsent(entry.Manager)).Append(' ')
                .Append(OrAbsent(entry.Finding)).Append(' ').Append(entry.Verdict).Append(' ').Append(Text(entry.Time)).Append(' ')
                .Append(OrAbsent(Convert.ToHexStringLower(entry.AccessDigest.Span)));
            if (entry.Note.Length > 0)
            {
                text.Append(' ').Append(entry.Note);
            }
            text.Append('\n');
        }
        return text.ToString();
    }

    private static bool TryEntry(string line, out AccessReviewEntry? entry)
    {
        entry = null;
        string[] fields = line.Split(' ', Fields);
        byte[] digest = [];
        // A note is not empty: without one the line ends before the space.
        if (fields.Length < Fields - 1 || fields[^1].Length == 0 || !TryTime(fields[5], out DateTimeOffset time)
            || (fields[6] != Absent && !TryHex(fields[6], out digest)))
        {
            return false;
        }
        entry = new AccessReviewEntry(fields[0], fields[1], Present(fields[2]), Present(fields[3]), fields[4], time, digest, fields.Length == Fields ? fields[7] : "");
        return true;
    }

    // No name and no word is a dash.
    private static string OrAbsent(string value) => value.Length == 0 ? Absent : value;

    private static string Present(string value) => value == Absent ? "" : value;

    private static bool IsTime(DateTimeOffset time) => time.UtcTicks % TimeSpan.TicksPerSecond == 0 && time.UtcDateTime.Year is >= 1970 and <= 9998;

    private static string Text(DateTimeOffset time) => time.UtcDateTime.ToString(TimeFormat, CultureInfo.InvariantCulture);

    private static string? Value(string line, string name) => line.StartsWith(name, StringComparison.Ordinal) ? line[name.Length..] : null;

    private static bool TryTime(string? text, out DateTimeOffset time) => DateTimeOffset.TryParseExact(
        text, TimeFormat, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out time);

    private static bool TryHex(string? text, out byte[] bytes)
    {
        bytes = new byte[(text?.Length ?? 0) / 2];
        return text is not null && text.Length % 2 == 0 && Convert.FromHexString(text, bytes, out _, out _) == System.Buffers.OperationStatus.Done;
    }
}
