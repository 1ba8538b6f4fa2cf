using Google.Protobuf.WellKnownTypes;
using KeyService.Server.Holdings;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.Keys;

/// <summary>Rows as messages.</summary>
internal static class KeyMessages
{
    public static Wire.Key ToWire(KeyFacts facts) => ToWire(facts.Row, facts.Primary);

    public static Wire.Key ToWire(KeyRow key, KeyVersionFacts primary) => new()
    {
        Name = key.Name,
        Purpose = (Wire.KeyPurpose)key.Purpose,
        Rotation = key.Rotation.ToWire(),
        CreateTime = Timestamp.FromDateTimeOffset(key.CreateTime),
        Primary = ToWire(primary, key),
        VersionCount = (int)key.VersionCount,
        Revision = key.Revision,
        WaitingVersions = (int)key.WaitingVersions,
    };

    public static Wire.KeyVersion ToWire(KeyVersionFacts version, KeyRow key)
    {
        var row = version.Row;
        var isActive = row is { State: KeyState.Active, ActivateTime: not null };
        return new Wire.KeyVersion
        {
            Id = row.Id.ToString(),
            State = (Wire.KeyState)row.State,
            CreateTime = Timestamp.FromDateTimeOffset(row.CreateTime),
            ActivateTime = ToWire(row.ActivateTime),
            DeactivateTime = ToWire(row.DeactivateTime),
            RotateTime = isActive ? ToWire(key.RotateTime ?? key.Rotation.RotateAt(row.ActivateTime!.Value)) : null,
            LimitTime = isActive ? ToWire(key.Rotation.LimitAt(row.ActivateTime!.Value)) : null,
            StateTime = ToWire(row.LastChange?.Time),
            StateChangedBy = row.LastChange?.By ?? "",
            StateReason = row.LastChange?.Reason ?? "",
            ProcessingStopped = row.ProcessingStopped,
            SuspectedSince = ToWire(row.SuspectedSince),
            CompromiseProcessedTime = ToWire(row.CompromiseProcessedTime),
            WrapsReserved = (ulong)version.WrapsReserved,
            CheckValue = row.CheckValueEnd,
        };
    }

    public static Wire.KeyTransition ToWire(KeyTransition transition) => new()
    {
        Number = (int)transition.Number,
        From = (Wire.KeyState)(transition.From ?? 0),
        To = (Wire.KeyState)transition.To,
        Time = ToWire(transition.Change.Time),
        ChangedBy = transition.Change.By,
        Reason = transition.Change.Reason,
    };

    public static Wire.KeyUse ToWire(KeyUseRow use) => new()
    {
        Principal = use.Principal,
        Version = use.VersionId.ToString(),
        ProtectedItems = (ulong)use.ProtectedItems,
        ProtectedBytes = (ulong)use.ProtectedBytes,
        ProcessedItems = (ulong)use.ProcessedItems,
        ProcessedBytes = (ulong)use.ProcessedBytes,
        FirstTime = ToWire(use.FirstTime),
        LastTime = ToWire(use.LastTime),
    };

    public static Wire.KeyDependency ToWire(Crypto.KeyVersionId version, Dependency dependency) => new()
    {
        KeyVersion = version.ToString(),
        Kind = (Wire.DependencyKind)dependency.Kind,
        Subject = dependency.Subject,
        Detail = dependency.Detail,
        Items = dependency.Items,
        UntilTime = ToWire(dependency.Until),
    };

    private static Timestamp? ToWire(DateTimeOffset? time) => time is { } value ? Timestamp.FromDateTimeOffset(value) : null;
}
