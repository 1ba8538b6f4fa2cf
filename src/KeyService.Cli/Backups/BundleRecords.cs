using KeyService.Cli.Output;
using KeyService.Crypto.Backups;
using BundleKind = KeyService.Crypto.Backups.BundleKind;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Cli.Backups;

/// <summary>Bundles as records.</summary>
internal static class BundleRecords
{
    public static Record Of(VerifiedBundle bundle, string path, bool pinned) => new()
    {
        ["file"] = path,
        ["kind"] = bundle.Header.Kind switch { BundleKind.Full => "full", BundleKind.Incremental => "incremental", _ => "selection" },
        ["sequence"] = (long)bundle.Header.Sequence,
        ["made_time"] = Time(bundle.Header.MadeAtUnixNanoseconds),
        ["keys"] = (long)bundle.KeyCount,
        ["versions"] = (long)bundle.VersionCount,
        ["left_out"] = (long)bundle.OmittedCount,
        ["newest_version_time"] = bundle.NewestVersionUnixNanoseconds is { } newest ? Time(newest) : null,
        ["backup_key_id"] = Convert.ToHexStringLower(bundle.Header.BackupKeyId),
        ["signed_by"] = bundle.SigningKeyFingerprint,
        ["pinned"] = pinned,
        ["installation_id"] = Convert.ToHexStringLower(bundle.Header.InstallationId),
        ["bundle_id"] = Convert.ToHexStringLower(bundle.Header.BundleId),
        ["digest"] = Convert.ToHexStringLower(bundle.Digest),
        ["previous_digest"] = bundle.Header.PreviousDigest.IsEmpty ? null : Convert.ToHexStringLower(bundle.Header.PreviousDigest),
        ["bytes"] = bundle.Length,
    };

    public static Record Of(BundleKey key, BundleVersion version) => new Record
    {
        ["key"] = key.Name,
        ["version"] = version.Id.ToString(),
        ["state"] = EnumNames.Of((Wire.KeyState)(int)(version.Attributes[BundleAttributeId.State] ?? 0)),
        ["create_time"] = Time(version.Attributes[BundleAttributeId.CreatedAt] ?? 0),
        ["wraps_reserved"] = version.Attributes[BundleAttributeId.WrapsReserved],
        ["opens"] = version.HasMaterial,
    };

    public static Record Of(Wire.Bundle bundle) => new Record
    {
        ["sequence"] = bundle.Sequence,
        ["kind"] = EnumNames.Of(bundle.Kind),
        ["made_time"] = Times.Of(bundle.CreateTime),
        ["keys"] = bundle.KeyCount,
        ["versions"] = bundle.VersionCount,
        ["left_out"] = bundle.LeftOutCount,
        ["copies"] = bundle.Copies.Select(copy => $"{copy.Destination}: {EnumNames.Of(copy.State)}").ToList(),
    }
        .Detail("in_force", bundle.InForce)
        .Detail("file_name", bundle.FileName)
        .Detail("bytes", bundle.ByteCount)
        .Detail("backup_key_id", bundle.BackupKeyId)
        .Detail("signed_by", bundle.SignedBy)
        .Detail("bundle_id", bundle.BundleId)
        .Detail("digest", bundle.Digest)
        .Detail("copy_times", bundle.Copies.Select(copy => new KeyValuePair<string, string>(
            copy.Destination, copy.VerifyTime is null ? "" : Record.Time(copy.VerifyTime.ToDateTimeOffset()))).ToList());

    private static DateTimeOffset Time(long unixNanoseconds) => new(DateTime.UnixEpoch.Ticks + (unixNanoseconds / 100), TimeSpan.Zero);
}
