using KeyService.Crypto.Backups;
using KeyService.Server.Storage;

namespace KeyService.Server.Backups;

/// <summary>
/// The bundles in force, as the store has them: from the newest full one that left nothing out and of which a verified copy stands, on. What is older has
/// been superseded: nobody looks after it any more, and whoever keeps the destinations may move it away.
/// </summary>
/// <param name="Last">The newest bundle of all; null when there is none.</param>
/// <param name="NewestFull">The newest full one of which a verified copy stands, whether it left something out or not.</param>
/// <param name="InForce">Oldest first.</param>
/// <param name="Copies">Their copies, also those at destinations that are not configured any more.</param>
internal sealed record BackupState(BundleRow? Last, BundleRow? NewestFull, IReadOnlyList<BundleRow> InForce, IReadOnlyList<CopyRow> Copies)
{
    /// <summary>What this installation was restored from, if it was: the number and digest of the newest bundle, which the next one follows.</summary>
    public (long Sequence, byte[] Digest)? RestoredFrom { get; init; }

    /// <summary>Number of the next bundle.</summary>
    public long NextSequence => (Last?.Sequence ?? RestoredFrom?.Sequence ?? 0) + 1;

    /// <summary>Digest of the bundle before the next; empty: there is none.</summary>
    public byte[] PreviousDigest => Last?.Digest ?? RestoredFrom?.Digest ?? [];

    public CopyRow? CopyOf(BundleRow bundle, string destination) =>
        Copies.FirstOrDefault(copy => copy.Bundle == bundle.Sequence && copy.Destination == destination);

    public bool IsVerified(BundleRow bundle, string destination) => CopyOf(bundle, destination)?.State == CopyState.Verified;

    /// <exception cref="StoreTamperedException">A row was changed, removed or put back.</exception>
    public static Task<BackupState> LoadAsync(IStore store, BackupTables tables, CancellationToken cancellationToken) => store.ReadAsync(
        async connection =>
        {
            await tables.DemandRegistersAsync(connection, cancellationToken);
            var first = await BackupTables.FindNewestCompleteAsync(connection, destination: null) ?? 1;
            var inForce = await tables.ListBundlesAsync(connection, first, cancellationToken);
            var copies = await tables.ListCopiesAsync(connection, first, long.MaxValue, cancellationToken);
            var verified = copies.Where(copy => copy.State == CopyState.Verified).Select(copy => copy.Bundle).ToHashSet();
            return new BackupState(
                inForce.Count > 0 ? inForce[^1] : null,
                inForce.LastOrDefault(bundle => bundle.Kind == BundleKind.Full && verified.Contains(bundle.Sequence)), inForce, copies)
            {
                RestoredFrom = await tables.FindRestorationAsync(connection, cancellationToken) is { } restoration
                    ? (restoration.LastSequence, restoration.LastDigest)
                    : null,
            };
        },
        cancellationToken);
}
