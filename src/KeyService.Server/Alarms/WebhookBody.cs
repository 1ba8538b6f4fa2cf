using System.Text.Json;

namespace KeyService.Server.Alarms;

/// <summary>What the webhook gets: JSON with the fields that docs/operations.md names. Names only grow.</summary>
internal static class WebhookBody
{
    public static byte[] Of(AlarmNews news, Alarm alarm, DateTimeOffset now)
    {
        var buffer = new System.Buffers.ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("event", Word(news));
            json.WriteString("time", now.UtcDateTime);
            json.WriteString("server", Environment.MachineName);
            json.WriteStartObject("alarm");
            json.WriteString("id", alarm.IdText);
            json.WriteString("kind", AlarmKinds.NameOf(alarm.Kind));
            json.WriteString("severity", Word(alarm.Severity));
            json.WriteString("subject", alarm.Subject);
            json.WriteString("message", alarm.Message);
            json.WriteString("advice", AlarmKinds.AdviceOf(alarm.Kind));
            json.WriteString("raise_time", alarm.RaiseTime.UtcDateTime);
            json.WriteNumber("repeats", alarm.Repeats);
            json.WriteBoolean("stands", alarm.Stands);
            json.WriteBoolean("acknowledged", alarm.Acknowledgement is not null);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static string Word<T>(T value)
        where T : struct, Enum => value.ToString().ToLowerInvariant();
}
