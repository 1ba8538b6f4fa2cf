using System.Buffers;
using System.Globalization;
using System.Text.Json;
using KeyService.Server.Audit.Search;
using KeyService.Server.Pipeline;
using KeyService.Server.SystemStatus;

namespace KeyService.Server.Audit.Sinks;

/// <summary>ExportLogsServiceRequest and its answer in OTLP's JSON (opentelemetry-proto 1.x, logs).</summary>
internal static class OtlpLogs
{
    private const int MaxMessageLength = 200;
    private const int TraceIdLength = 32;

    public static byte[] Of(IReadOnlyList<LoggedRecord> records, DateTimeOffset now)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteStartArray("resourceLogs");
            json.WriteStartObject();
            json.WriteStartObject("resource");
            json.WriteStartArray("attributes");
            WriteAttribute(json, "service.name", "keyservice");
            WriteAttribute(json, "service.version", SystemRpcs.Version);
            WriteAttribute(json, "host.name", Environment.MachineName);
            json.WriteEndArray();
            json.WriteEndObject();
            json.WriteStartArray("scopeLogs");
            json.WriteStartObject();
            json.WriteStartObject("scope");
            json.WriteString("name", "keyservice.audit");
            json.WriteEndObject();
            json.WriteStartArray("logRecords");
            foreach (var record in records)
            {
                WriteRecord(json, record, now);
            }

            json.WriteEndArray();
            json.WriteEndObject();
            json.WriteEndArray();
            json.WriteEndObject();
            json.WriteEndArray();
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>What a collector that answered 200 did not take, as part of a sentence; null when it took everything.</summary>
    /// <exception cref="JsonException">The answer is not JSON.</exception>
    public static string? Rejection(ReadOnlyMemory<byte> answer)
    {
        if (answer.IsEmpty)
        {
            return null;
        }

        using var document = JsonDocument.Parse(answer);
        if (document.RootElement.ValueKind != JsonValueKind.Object
            || !document.RootElement.TryGetProperty("partialSuccess", out var partial) || partial.ValueKind != JsonValueKind.Object
            || !partial.TryGetProperty("rejectedLogRecords", out var rejected))
        {
            return null;
        }

        // 64-bit numbers are text in OTLP's JSON.
        var count = rejected.ValueKind == JsonValueKind.String ? rejected.GetString()! : rejected.GetRawText();
        var why = partial.TryGetProperty("errorMessage", out var message) && message.ValueKind == JsonValueKind.String ? message.GetString()! : "";
        return count == "0" ? null : $"rejected {OneLine.Of(count, 20)} records: {OneLine.Of(why, MaxMessageLength)}";
    }

    private static void WriteRecord(Utf8JsonWriter json, LoggedRecord logged, DateTimeOffset now)
    {
        var record = logged.Record;
        var name = AuditEvents.NameOf((AuditEvent)record.EventId);
        var (severity, word) = record.Outcome switch
        {
            AuditOutcome.Failed => (17, "ERROR"),
            AuditOutcome.Refused => (13, "WARN"),
            _ => (9, "INFO"),
        };
        json.WriteStartObject();
        json.WriteString("timeUnixNano", record.TimeUnixNanoseconds.ToString(CultureInfo.InvariantCulture));
        json.WriteString("observedTimeUnixNano", Storage.UnixTime.Nanoseconds(now).ToString(CultureInfo.InvariantCulture));
        json.WriteNumber("severityNumber", severity);
        json.WriteString("severityText", word);
        json.WriteString("eventName", $"keyservice.audit.{name}");
        json.WriteStartObject("body");
        json.WriteString("stringValue", string.IsNullOrEmpty(record.Detail) ? name : $"{name}: {record.Detail}");
        json.WriteEndObject();
        json.WriteStartArray("attributes");
        foreach (var (field, value) in SinkFields.Of(logged))
        {
            WriteAttribute(json, $"keyservice.audit.{field}", value);
        }

        json.WriteEndArray();
        if (record.TraceId is { Length: TraceIdLength } trace)
        {
            json.WriteString("traceId", trace);
        }

        json.WriteEndObject();
    }

    private static void WriteAttribute(Utf8JsonWriter json, string name, string value)
    {
        json.WriteStartObject();
        json.WriteString("key", name);
        json.WriteStartObject("value");
        json.WriteString("stringValue", value);
        json.WriteEndObject();
        json.WriteEndObject();
    }
}
