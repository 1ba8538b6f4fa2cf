using Google.Protobuf.WellKnownTypes;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.Backups;

/// <summary>Rows as messages.</summary>
internal static class BackupMessages
{
    public static Wire.Bundle ToWire(BundleFacts facts)
    {
        var row = facts.Row;
        var bundle = new Wire.Bundle
        {
            Sequence = row.Sequence,
            BundleId = Convert.ToHexStringLower(row.BundleId),
            Kind = (Wire.BundleKind)row.Kind,
            CreateTime = Timestamp.FromDateTimeOffset(row.MadeTime),
            FileName = row.FileName,
            KeyCount = row.KeyCount,
            VersionCount = row.VersionCount,
            LeftOutCount = row.LeftOutCount,
            ByteCount = row.ByteCount,
            Digest = Convert.ToHexStringLower(row.Digest),
            BackupKeyId = row.BackupKeyId,
            SignedBy = Convert.ToHexStringLower(row.SigningKeyDigest),
            InForce = facts.InForce,
        };
        bundle.Copies.AddRange(facts.Copies.Select(copy => new Wire.BundleCopy
        {
            Destination = copy.Destination,
            State = (Wire.CopyState)copy.State,
            VerifyTime = Timestamp.FromDateTimeOffset(copy.VerifiedTime),
            CheckTime = Timestamp.FromDateTimeOffset(copy.CheckedTime),
        }));
        return bundle;
    }

    public static Wire.BackupDestination ToWire(BackupDestination destination) => new()
    {
        Name = destination.Name,
        Problem = destination.Problem ?? "",
        RetryTime = destination.IsFailing ? Timestamp.FromDateTimeOffset(destination.RetryTime) : null,
    };

    public static Wire.BackupProgress? ToWire(BackupProgress? progress) => progress is null
        ? null
        : new Wire.BackupProgress
        {
            Sequence = progress.Sequence,
            Destination = progress.Destination,
            StartTime = Timestamp.FromDateTimeOffset(progress.StartTime),
            VersionCount = progress.Versions,
        };
}
