using Google.Protobuf.WellKnownTypes;
using KeyService.Cli.Output;
using KeyService.Protocol.V1;

namespace KeyService.Cli.Keys;

/// <summary>Keys and versions as results.</summary>
internal static class KeyRecords
{
    public static Record Of(Key key) => new Record
    {
        ["name"] = key.Name,
        ["version"] = key.Primary?.Id,
        ["state"] = EnumNames.Of(key.Primary?.State ?? KeyState.Unspecified),
        ["versions"] = key.VersionCount,
        ["create_time"] = Times.Of(key.CreateTime),
        ["rotate_time"] = Times.Of(key.Primary?.RotateTime),
    }
    .Detail("rotation_days", key.Rotation?.Period is { } period ? period.Seconds / 86_400 : null)
    .Detail("wraps_reserved", key.Primary?.WrapsReserved ?? 0)
    .Detail("check_value", key.Primary?.CheckValue)
    .Detail("revision", key.Revision);

    public static Record Of(KeyVersion version) => new()
    {
        ["id"] = version.Id,
        ["state"] = EnumNames.Of(version.State),
        ["create_time"] = Times.Of(version.CreateTime),
        ["activate_time"] = Times.Of(version.ActivateTime),
        ["deactivate_time"] = Times.Of(version.DeactivateTime),
        ["rotate_time"] = Times.Of(version.RotateTime),
        ["wraps_reserved"] = version.WrapsReserved,
        ["check_value"] = version.CheckValue,
    };
}
