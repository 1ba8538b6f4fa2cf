using Google.Protobuf;

namespace KeyService.IntegrationTests.Telemetry;

/// <summary>A Protobuf message read by field numbers, without its schema.</summary>
internal sealed class Wire
{
    private readonly List<(int Field, ulong Number, byte[]? Bytes)> fields = [];

    public static Wire Parse(byte[] message)
    {
        var wire = new Wire();
        using var input = new CodedInputStream(message);
        while (input.ReadTag() is var tag and not 0)
        {
            var field = WireFormat.GetTagFieldNumber(tag);
            switch (WireFormat.GetTagWireType(tag))
            {
                case WireFormat.WireType.LengthDelimited:
                    wire.fields.Add((field, 0, input.ReadBytes().ToByteArray()));
                    break;
                case WireFormat.WireType.Varint:
                    wire.fields.Add((field, input.ReadUInt64(), null));
                    break;
                case WireFormat.WireType.Fixed64:
                    wire.fields.Add((field, input.ReadFixed64(), null));
                    break;
                case WireFormat.WireType.Fixed32:
                    wire.fields.Add((field, input.ReadFixed32(), null));
                    break;
                default:
                    throw new InvalidDataException($"Wire type of tag {tag}.");
            }
        }
        return wire;
    }

    public bool Has(int field) => fields.Any(entry => entry.Field == field);

    public IEnumerable<Wire> All(int field) =>
        fields.Where(entry => entry.Field == field && entry.Bytes is not null).Select(entry => Parse(entry.Bytes!));

    public byte[] Bytes(int field) => fields.FirstOrDefault(entry => entry.Field == field).Bytes ?? [];

    public string Text(int field) => System.Text.Encoding.UTF8.GetString(Bytes(field));

    public ulong Number(int field) => fields.FirstOrDefault(entry => entry.Field == field).Number;
}
