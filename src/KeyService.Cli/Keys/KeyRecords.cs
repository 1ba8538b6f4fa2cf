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
    .Detail("rotation_days", Days(key.Rotation?.Period))
    .Detail("limit_days", Days(key.Rotation?.Limit))
    .Detail("warn_days", Days(key.Rotation?.WarnBefore))
    .Detail("limit_time", Times.Of(key.Primary?.LimitTime))
    .Detail("waiting_versions", key.WaitingVersions)
    .Detail("wraps_reserved", key.Primary?.WrapsReserved ?? 0)
    .Detail("check_value", key.Primary?.CheckValue)
    .Detail("revision", key.Revision);

    public static Record Of(KeyVersion version) => new Record
    {
        ["id"] = version.Id,
        ["state"] = EnumNames.Of(version.State),
        ["create_time"] = Times.Of(version.CreateTime),
        ["activate_time"] = Times.Of(version.ActivateTime),
        ["deactivate_time"] = Times.Of(version.DeactivateTime),
        ["rotate_time"] = Times.Of(version.RotateTime),
        ["wraps_reserved"] = version.WrapsReserved,
        ["check_value"] = version.CheckValue,
    }
    .Detail("state_time", Times.Of(version.StateTime))
    .Detail("state_changed_by", version.StateChangedBy)
    .Detail("state_reason", version.StateReason)
    .Detail("processing_stopped", version.ProcessingStopped)
    .Detail("suspected_since", Times.Of(version.SuspectedSince))
    .Detail("compromise_processed_time", Times.Of(version.CompromiseProcessedTime));

    private static long? Days(Duration? time) => time is null ? null : time.Seconds / 86_400;
}
