using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace KeyService.Cli.Output;

/// <summary>A record as one line of JSON.</summary>
internal static class JsonLines
{
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static byte[] Line(Record record)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer, Options))
        {
            Write(writer, record);
        }
        buffer.Write("\n"u8);
        return buffer.WrittenSpan.ToArray();
    }

    private static void Write(Utf8JsonWriter writer, Record record)
    {
        writer.WriteStartObject();
        foreach (var (name, value) in record)
        {
            writer.WritePropertyName(name);
            WriteValue(writer, value);
        }
        writer.WriteEndObject();
    }

    private static void WriteValue(Utf8JsonWriter writer, object? value)
    {
        switch (value)
        {
            case null: writer.WriteNullValue(); break;
            case string text: writer.WriteStringValue(text); break;
            case bool flag: writer.WriteBooleanValue(flag); break;
            case int number: writer.WriteNumberValue(number); break;
            case uint number: writer.WriteNumberValue(number); break;
            case long number: writer.WriteNumberValue(number); break;
            case ulong number: writer.WriteNumberValue(number); break;
            case double number: writer.WriteNumberValue(Math.Round(number, 6)); break;
            case DateTimeOffset time: writer.WriteStringValue(Record.Time(time)); break;
            case Record nested: Write(writer, nested); break;
            case IReadOnlyList<KeyValuePair<string, string>> pairs: WritePairs(writer, pairs); break;
            case IEnumerable<Record> list: WriteArray(writer, list); break;
            case IEnumerable<string> list: WriteArray(writer, list); break;
            default: throw new InvalidOperationException($"A record cannot hold a {value.GetType().Name}.");
        }
    }

    private static void WritePairs(Utf8JsonWriter writer, IReadOnlyList<KeyValuePair<string, string>> pairs)
    {
        writer.WriteStartObject();
        foreach (var (key, value) in pairs)
        {
            writer.WriteString(key, value);
        }
        writer.WriteEndObject();
    }

    private static void WriteArray(Utf8JsonWriter writer, IEnumerable<object> items)
    {
        writer.WriteStartArray();
        foreach (var item in items)
        {
            WriteValue(writer, item);
        }
        writer.WriteEndArray();
    }
}
