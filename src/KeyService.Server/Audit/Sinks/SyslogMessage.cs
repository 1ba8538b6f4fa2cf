using System.Buffers;
using System.Globalization;
using System.Text;
using KeyService.Server.Audit.Search;
using KeyService.Server.Storage;

namespace KeyService.Server.Audit.Sinks;

/// <summary>A record as a message of RFC 5424 behind its length (RFC 5425, 4.3): facility 13, log audit; fields as structured data, the detail as text.</summary>
internal static class SyslogMessage
{
    /// <summary>The enterprise number that RFC 5612 keeps for examples, for who has none.</summary>
    public const int ExampleEnterprise = 32473;

    /// <summary>What every receiver should take (RFC 5425, 4.3.1).</summary>
    public const int MaxLength = 8192;

    private const int AuditFacility = 13;
    private const int MaxValueLength = 256;
    private const int MaxNameLength = 32;
    private const int NoticeSeverity = 5;

    /// <param name="host">Name of this server.</param>
    /// <param name="enterprise">Private enterprise number behind the "@" of the structured data's name.</param>
    public static void AppendFrame(IBufferWriter<byte> frames, LoggedRecord logged, string host, int enterprise)
    {
        var message = Encoding.UTF8.GetBytes(Of(logged, host, enterprise));
        Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{message.Length} "), frames);
        frames.Write(message);
    }

    /// <summary>At most <see cref="MaxLength"/> bytes in UTF-8: values are cut, then the text.</summary>
    public static string Of(LoggedRecord logged, string host, int enterprise)
    {
        var record = logged.Record;
        var name = AuditEvents.NameOf((AuditEvent)record.EventId);
        var text = new StringBuilder();
        text.Append(
            CultureInfo.InvariantCulture,
            $"<{(AuditFacility * 8) + SeverityOf(record.Outcome, record.Type)}>1 {UnixTime.FromNanoseconds(record.TimeUnixNanoseconds).UtcDateTime:yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'} ");
        text.Append(CultureInfo.InvariantCulture, $"{Token(host)} keyservice - {(name.Length <= MaxNameLength ? name : $"event-{record.EventId}")} ");
        text.Append(CultureInfo.InvariantCulture, $"[keyservice@{enterprise}");
        foreach (var (field, value) in SinkFields.Of(logged))
        {
            text.Append(CultureInfo.InvariantCulture, $" {field}=\"{Escaped(Cut(value, MaxValueLength))}\"");
        }

        text.Append(']');
        if (!string.IsNullOrEmpty(record.Detail))
        {
            var detail = Printable(record.Detail);
            var mark = Ascii.IsValid(detail) ? "" : "\uFEFF";
            var room = MaxLength - Encoding.UTF8.GetByteCount(text.ToString()) - 4;
            text.Append(' ').Append(mark).Append(Cut(detail, room));
        }

        return text.ToString();
    }

    private static int SeverityOf(AuditOutcome outcome, AuditEventType type) => outcome switch
    {
        AuditOutcome.Failed => 3,
        AuditOutcome.Refused => 4,
        _ when type is AuditEventType.Administer or AuditEventType.Delete => NoticeSeverity,
        _ => 6,
    };

    // RFC 5424, 6.3.3: in a value '"', '\' and ']' stand behind a backslash.
    private static string Escaped(string value) => Printable(value)
        .Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("]", "\\]", StringComparison.Ordinal);

    // A line feed in a file of a receiver would begin a message of somebody's own making.
    private static string Printable(string text) => string.Create(text.Length, text, static (shown, from) =>
    {
        for (var i = 0; i < shown.Length; i++)
        {
            shown[i] = char.IsControl(from[i]) ? '?' : from[i];
        }
    });

    private static string Token(string host) => host.Length is >= 1 and <= 255 && host.All(each => each is >= '!' and <= '~') ? host : "-";

    // At the end of the last scalar that fits.
    private static string Cut(string text, int maxBytes)
    {
        if (Encoding.UTF8.GetByteCount(text) <= maxBytes)
        {
            return text;
        }

        var length = 0;
        var bytes = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            if (bytes + rune.Utf8SequenceLength > maxBytes)
            {
                break;
            }

            bytes += rune.Utf8SequenceLength;
            length += rune.Utf16SequenceLength;
        }

        return text[..length];
    }
}
