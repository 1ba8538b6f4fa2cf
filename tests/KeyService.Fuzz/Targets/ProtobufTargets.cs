using Google.Protobuf;
using Google.Protobuf.Reflection;
using KeyService.Fuzz.Engine;
using KeyService.Protocol.V1;
using static KeyService.Fuzz.Engine.BrokenPropertyException;

namespace KeyService.Fuzz.Targets;

/// <summary>Every message of keyservice/v1 as its generated class reads it: the runtime's edges, as this project builds and sets it up. The first byte says which.</summary>
internal static class ProtobufTargets
{
    private static readonly MessageDescriptor[] Messages =
    [
        .. typeof(EncryptRequest).Assembly.GetTypes().Where(type => type.Name.EndsWith("Reflection", StringComparison.Ordinal) && type.Namespace == typeof(EncryptRequest).Namespace)
            .Select(type => (FileDescriptor)type.GetProperty("Descriptor")!.GetValue(null)!).OrderBy(file => file.Name, StringComparer.Ordinal)
            .SelectMany(file => file.MessageTypes).SelectMany(WithNested).Where(message => message.ClrType is not null).OrderBy(message => message.FullName, StringComparer.Ordinal),
    ];

    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        new("protobuf", [], Message)
        {
            AllocatedPerByte = 1024, AllocatedAtMost = 1 << 20, Seeds = Seeds,
            Words = [[0x0A], [0x12], [0x1A], [0x22], [0x08, 0x01], [0x0B], [0x0C], [0x0A, 0x02, 0xC0, 0x80], [0x0A, 0x03, 0xED, 0xA0, 0x80], [0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x07], [0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F]],
        },
    ];

    private static Outcome Message(byte[] input)
    {
        if (input.Length == 0)
        {
            return Outcome.Refused(-1);
        }
        int index = input[0] % Messages.Length;
        IMessage message;
        try
        {
            message = Messages[index].Parser.ParseFrom(input, 1, input.Length - 1);
        }
        catch (InvalidProtocolBufferException)
        {
            return Outcome.Refused(index);
        }
        byte[] written = message.ToByteArray();
        Unless(written.Length == message.CalculateSize(), "a message has the size that it says");
        IMessage again = Messages[index].Parser.ParseFrom(written);
        UnlessSame(written, again.ToByteArray(), "what is written is read and written again, byte for byte");
        return Outcome.Taken((index * 16) + Outcome.Step(written.Length));
    }

    private static IEnumerable<MessageDescriptor> WithNested(MessageDescriptor message) => message.NestedTypes.SelectMany(WithNested).Prepend(message);

    // Each message with every field set once, as far as a value of the plainest kind goes.
    private static IEnumerable<(string Name, byte[] Input)> Seeds() => Messages.Select((message, index) => (message.Name, (byte[])[(byte)index, .. Filled(message, 3).ToByteArray()]));

    private static IMessage Filled(MessageDescriptor descriptor, int depth)
    {
        IMessage message = descriptor.Parser.ParseFrom(ByteString.Empty);
        foreach (FieldDescriptor field in descriptor.Fields.InDeclarationOrder().Where(field => !field.IsMap && (field.FieldType != FieldType.Message || depth > 0)))
        {
            object value = field.FieldType switch
            {
                FieldType.String => "text",
                FieldType.Bytes => ByteString.CopyFromUtf8("bytes"),
                FieldType.Bool => true,
                FieldType.Double => 0.5,
                FieldType.Float => 0.5f,
                FieldType.Int64 or FieldType.SInt64 or FieldType.SFixed64 => 1L,
                FieldType.UInt64 or FieldType.Fixed64 => 1UL,
                FieldType.UInt32 or FieldType.Fixed32 => 1U,
                FieldType.Enum => Enum.ToObject(field.EnumType.ClrType, field.EnumType.Values[^1].Number),
                FieldType.Message => Filled(field.MessageType, depth - 1),
                _ => 1,
            };
            if (field.IsRepeated)
            {
                ((System.Collections.IList)field.Accessor.GetValue(message)).Add(value);
            }
            else
            {
                field.Accessor.SetValue(message, value);
            }
        }
        return message;
    }
}
