using KeyService.Server.Storage;

namespace KeyService.Server.Backups;

/// <summary>A bundle with what stands of it where.</summary>
internal sealed record BundleFacts(BundleRow Row, bool InForce, IReadOnlyList<CopyRow> Copies);

/// <summary>Reads bundles for people.</summary>
internal sealed class BackupQueries(IStore store, RowAuthenticator rows)
{
    private readonly BackupTables _tables = new(rows);

    /// <summary>Bundles before a sequence number, newest first.</summary>
    /// <exception cref="StoreTamperedException">A row was changed, removed or put back.</exception>
    public Task<IReadOnlyList<BundleFacts>> ListAsync(long before, bool inForceOnly, int limit, CancellationToken cancellationToken) => store.ReadAsync(
        async connection =>
        {
            await _tables.DemandRegistersAsync(connection, cancellationToken);
            var inForceFrom = await BackupTables.FindNewestCompleteAsync(connection, destination: null) ?? 1;
            var bundles = await _tables.ListBundlesBackAsync(connection, before, limit, cancellationToken);
            List<BundleRow> wanted = [.. bundles.Where(bundle => !inForceOnly || bundle.Sequence >= inForceFrom)];
            var copies = wanted.Count == 0
                ? []
                : await _tables.ListCopiesAsync(connection, wanted[^1].Sequence, wanted[0].Sequence, cancellationToken);
            return (IReadOnlyList<BundleFacts>)[.. wanted.Select(bundle => new BundleFacts(
                bundle, bundle.Sequence >= inForceFrom, [.. copies.Where(copy => copy.Bundle == bundle.Sequence)]))];
        },
        cancellationToken);

    /// <summary>The newest bundle's number; 0 when there is none.</summary>
    /// <exception cref="StoreTamperedException">Its row was changed.</exception>
    public async Task<long> LastSequenceAsync(CancellationToken cancellationToken) => await store.ReadAsync(
        async connection => (await _tables.FindLastAsync(connection, null, cancellationToken))?.Sequence ?? 0, cancellationToken);
}
