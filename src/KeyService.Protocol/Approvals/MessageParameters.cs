using System.Globalization;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;

namespace KeyService.Protocol.Approvals;

/// <summary>
/// A message as the parameters of a canonical request, docs/spec/approvals.md: each field that is set, by its path, in the order of the message.
/// Computed by the server that is to do it and by the command before whose eyes it stands.
/// </summary>
public static class MessageParameters
{
    /// <summary>The parameters; the same messages give the same ones, and different messages different ones.</summary>
    /// <exception cref="NotSupportedException">The message has a field of a kind that the document gives no form.</exception>
    public static IReadOnlyList<(string Name, string Value)> Of(IMessage message)
    {
        var parameters = new List<(string, string)>();
        Add(parameters, "", message);
        return parameters;
    }

    /// <summary>
    /// Whether the bytes are a message of this type with no field that this program does not know: what is not shown is not decided.
    /// </summary>
    public static bool TryRead(MessageDescriptor type, ReadOnlySpan<byte> bytes, out IMessage? message)
    {
        message = null;
        try
        {
            var all = type.Parser.ParseFrom(bytes);
            var known = type.Parser.WithDiscardUnknownFields(true).ParseFrom(bytes);
            message = all.CalculateSize() == known.CalculateSize() ? known : null;
        }
        catch (InvalidProtocolBufferException)
        {
            return false;
        }

        return message is not null;
    }

    private static void Add(List<(string, string)> parameters, string prefix, IMessage message)
    {
        foreach (var field in message.Descriptor.Fields.InFieldNumberOrder())
        {
            var name = prefix + field.Name;
            if (field.IsMap)
            {
                throw new NotSupportedException($"{name} is a map: docs/spec/approvals.md gives it no form.");
            }

            var value = field.Accessor.GetValue(message);
            if (field.IsRepeated)
            {
                var index = 0;
                foreach (var item in (System.Collections.IList)value)
                {
                    AddValue(parameters, $"{name}[{index++}]", field, item!);
                }
            }
            else if (field.HasPresence ? field.Accessor.HasValue(message) : !IsDefault(value))
            {
                AddValue(parameters, name, field, value);
            }
        }
    }

    private static void AddValue(List<(string, string)> parameters, string name, FieldDescriptor field, object value)
    {
        if (value is IMessage inner and not Duration and not Timestamp)
        {
            var before = parameters.Count;
            Add(parameters, name + ".", inner);
            if (parameters.Count == before)
            {
                parameters.Add((name, "set"));
            }

            return;
        }

        parameters.Add((name, TextOf(field, value)));
    }

    private static string TextOf(FieldDescriptor field, object value) => value switch
    {
        string text => text,
        bool truth => truth ? "true" : "false",
        int or uint or long or ulong => Convert.ToString(value, CultureInfo.InvariantCulture)!,
        ByteString bytes => Convert.ToHexStringLower(bytes.Span),
        Duration duration => $"{(duration.Seconds < 0 || duration.Nanos < 0 ? "-" : "")}{Magnitude(duration.Seconds)}{Fraction(duration.Nanos)}s",
        Timestamp timestamp => TimeOf(timestamp),
        System.Enum => field.EnumType.FindValueByNumber(Convert.ToInt32(value, CultureInfo.InvariantCulture))?.Name
            ?? Convert.ToInt32(value, CultureInfo.InvariantCulture).ToString(CultureInfo.InvariantCulture),
        _ => throw new NotSupportedException($"{field.FullName} is of a kind to which docs/spec/approvals.md gives no form."),
    };

    private static string TimeOf(Timestamp timestamp)
    {
        var whole = DateTimeOffset.FromUnixTimeSeconds(timestamp.Seconds).UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss", CultureInfo.InvariantCulture);
        return $"{whole}{Fraction(timestamp.Nanos)}Z";
    }

    private static string Magnitude(long seconds) => (seconds < 0 ? (ulong)-seconds : (ulong)seconds).ToString(CultureInfo.InvariantCulture);

    private static string Fraction(int nanos) => nanos == 0 ? "" : "." + Math.Abs((long)nanos).ToString("000000000", CultureInfo.InvariantCulture);

    private static bool IsDefault(object value) => value switch
    {
        string text => text.Length == 0,
        ByteString bytes => bytes.IsEmpty,
        bool truth => !truth,
        System.Enum each => Convert.ToInt32(each, CultureInfo.InvariantCulture) == 0,
        IConvertible number => Convert.ToDecimal(number, CultureInfo.InvariantCulture) == 0,
        _ => false,
    };
}
