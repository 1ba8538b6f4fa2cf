using Google.Protobuf.WellKnownTypes;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.Keys;

/// <summary>Rows as messages.</summary>
internal static class KeyMessages
{
    private const int CheckValueDigits = 8;

    public static Wire.Key ToWire(KeyFacts facts) => ToWire(facts.Row, facts.Primary);

    public static Wire.Key ToWire(KeyRow key, KeyVersionFacts primary) => new()
    {
        Name = key.Name,
        Purpose = (Wire.KeyPurpose)key.Purpose,
        Rotation = key.Rotation.ToWire(),
        CreateTime = Timestamp.FromDateTimeOffset(key.CreateTime),
        Primary = ToWire(primary, key.Rotation),
        VersionCount = (int)key.VersionCount,
        Revision = key.Revision,
    };

    public static Wire.KeyVersion ToWire(KeyVersionFacts version, RotationPolicy rotation)
    {
        var row = version.Row;
        return new Wire.KeyVersion
        {
            Id = row.Id.ToString(),
            State = (Wire.KeyState)row.State,
            CreateTime = Timestamp.FromDateTimeOffset(row.CreateTime),
            ActivateTime = row.ActivateTime is { } activated ? Timestamp.FromDateTimeOffset(activated) : null,
            DeactivateTime = row.DeactivateTime is { } deactivated ? Timestamp.FromDateTimeOffset(deactivated) : null,
            RotateTime = row is { State: KeyState.Active, ActivateTime: { } begun }
                ? Timestamp.FromDateTimeOffset(begun + rotation.Period)
                : null,
            WrapsReserved = (ulong)version.WrapsReserved,
            CheckValue = Convert.ToHexStringLower(row.CheckValue.AsSpan()[^(CheckValueDigits / 2)..]),
        };
    }
}
