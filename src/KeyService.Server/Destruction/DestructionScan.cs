using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using KeyService.Crypto;
using KeyService.Server.Holdings;
using KeyService.Server.Keys;
using KeyService.Server.Storage;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.Destruction;

/// <summary>Looks for what needs the versions of a destruction and for the copies that would outlive it, and writes its certificate.</summary>
internal sealed class DestructionScan(
    IStore store, RowAuthenticator rows, Dependencies dependencies, IEnumerable<SurvivingCopySource> copies, TimeProvider time)
{
    /// <summary>How places begin that a destruction empties.</summary>
    public const string InThisStore = "this store, ";

    private readonly KeyTables _keys = new(rows);

    /// <summary>What needs a version, version by version; empty when nothing needs any.</summary>
    public async Task<IReadOnlyList<(KeyVersionId Version, Dependency Dependency)>> DependenciesAsync(
        IEnumerable<KeyVersionId> versions, CancellationToken cancellationToken)
    {
        var found = new List<(KeyVersionId, Dependency)>();
        foreach (var version in versions)
        {
            found.AddRange((await dependencies.OfVersionAsync(version, cancellationToken)).Select(each => (version, each)));
        }

        return found;
    }

    /// <summary>The certificate of a destruction whose state is what the scan made it.</summary>
    public async Task<byte[]> CertifyAsync(
        DestructionRow destruction, IReadOnlyList<(KeyVersionId Version, Dependency Dependency)> found, CancellationToken cancellationToken)
    {
        var certificate = new Wire.DestructionCertificate
        {
            Destruction = destruction.IdText,
            Key = destruction.Key,
            Reason = destruction.Reason,
            AskedBy = destruction.AskedBy,
            AskTime = Timestamp.FromDateTimeOffset(destruction.AskTime),
            DueTime = Timestamp.FromDateTimeOffset(destruction.DueTime),
            ScanTime = Timestamp.FromDateTimeOffset(time.GetUtcNow()),
            Destroyed = false,
            Complete = false,
            Statement = StatementOf(destruction.State),
        };
        certificate.Dependencies.AddRange(found.Select(each => KeyMessages.ToWire(each.Version, each.Dependency)));
        foreach (var version in destruction.Versions)
        {
            certificate.Versions.Add(await store.ReadAsync(
                async connection => ToWire(await _keys.FindVersionAsync(connection, null, version, cancellationToken)
                    ?? throw new StoreTamperedException("key_versions", version.ToString(), "the row is missing")),
                cancellationToken));
            foreach (var place in await PlacesAsync(version, cancellationToken))
            {
                certificate.Copies.Add(new Wire.SurvivingCopy { KeyVersion = version.ToString(), Place = place, Attested = false });
            }
        }

        return certificate.ToByteArray();
    }

    /// <summary>What the certificate says of itself in one sentence.</summary>
    public static string StatementOf(DestructionState state) => state switch
    {
        DestructionState.Waiting => "Nothing is destroyed: the waiting period runs.",
        DestructionState.PendingApproval =>
            "Nothing is destroyed: the waiting period is over, nothing registered needs the versions, and the approval of a quorum is awaited.",
        DestructionState.Cancelled => "Nothing is destroyed: it was cancelled.",
        DestructionState.Destroyed => "Destroyed in this installation; what is listed as copies is not, until somebody attests it.",
        _ => "Nothing is destroyed: something still needed a version when the waiting period ended.",
    };

    private async Task<List<string>> PlacesAsync(KeyVersionId version, CancellationToken cancellationToken)
    {
        var places = (await store.ReadAsync(connection => DestructionTable.WrappedForAsync(connection, null, version), cancellationToken))
            .Select(token => token.StartsWith("backup:", StringComparison.Ordinal)
                ? $"{InThisStore}wrapped for backup key {token["backup:".Length..]}"
                : $"{InThisStore}wrapped for token {token}").ToList();
        foreach (var source in copies)
        {
            places.AddRange(await source(version, cancellationToken));
        }

        // The service does not know who copied its database; it does know that somebody does.
        places.Add("every dump, replica and file backup of this store");
        return places;
    }

    private static Wire.DestroyedVersion ToWire(KeyVersionRow version) => new()
    {
        Id = version.Id.ToString(),
        State = (Wire.KeyState)version.State,
        CreateTime = Timestamp.FromDateTimeOffset(version.CreateTime),
        ActivateTime = HoldingMessages.Time(version.ActivateTime),
        DeactivateTime = HoldingMessages.Time(version.DeactivateTime),
        CheckValue = version.CheckValueEnd,
    };
}
