using System.Data.Common;
using Dapper;
using KeyService.Crypto.Logs;
using KeyService.Server.Storage;

namespace KeyService.Server.Audit;

/// <summary>Reading and writing the entries of the directory log. Changes run one after another over all servers, so its numbers have no gap.</summary>
internal static class DirectoryLog
{
    private const int PageSize = 10_000;

    /// <summary>Part of the change that the entry is about.</summary>
    public static Task AppendAsync(IStoreTransaction transaction, DirectoryEntry entry) => transaction.Connection.ExecuteAsync(
        "INSERT INTO audit_directory (sequence, entry) SELECT coalesce(max(sequence), -1) + 1, @entry FROM audit_directory",
        new { entry = entry.Encode() }, transaction.Transaction);

    /// <summary>Entries from a number on, oldest first, up to a page of them.</summary>
    public static async Task<IReadOnlyList<(long Sequence, byte[] Entry)>> ReadAsync(DbConnection connection, long from, long before) =>
        (await connection.QueryAsync<(long, byte[])>(
            "SELECT sequence, entry FROM audit_directory WHERE sequence >= @from AND sequence < @before ORDER BY sequence LIMIT @limit",
            new { from, before, limit = PageSize })).AsList();

    /// <summary>The tree of the entries before a number, grown from one that covers their beginning.</summary>
    /// <exception cref="StoreTamperedException">An entry is missing.</exception>
    public static async Task<MerkleFrontier> ExtendAsync(IStore store, MerkleFrontier from, long before, CancellationToken cancellationToken)
    {
        var frontier = from.Copy();
        while (frontier.Size < before)
        {
            var page = await store.ReadAsync(connection => ReadAsync(connection, frontier.Size, before), cancellationToken);
            foreach (var (sequence, entry) in page)
            {
                if (sequence != frontier.Size)
                {
                    throw Missing(frontier.Size);
                }

                frontier.Append(MerkleHash.Leaf(entry));
            }

            if (page.Count == 0)
            {
                throw Missing(frontier.Size);
            }
        }

        return frontier;
    }

    /// <summary>Entries that say who signs in a stretch, in order.</summary>
    /// <exception cref="StoreTamperedException">One is none.</exception>
    public static async Task<IReadOnlyList<(long Sequence, DirectoryEntry Entry)>> KeysAsync(DbConnection connection, long from, long before) =>
    [
        .. (await connection.QueryAsync<(long Sequence, byte[] Entry)>(
            "SELECT sequence, entry FROM audit_directory WHERE sequence >= @from AND sequence < @before AND length(entry) = @length ORDER BY sequence",
            new { from, before, length = DirectoryEntry.KeyEntryLength }))
            .Select(row => DirectoryEntry.TryParse(row.Entry, out var entry) && entry!.IsOfKey
                ? (row.Sequence, entry) : throw new StoreTamperedException("audit_directory", $"{row.Sequence}", "the entry is none")),
    ];

    /// <summary>Number of entries that say who signs, inside a change.</summary>
    public static Task<long> CountKeysAsync(IStoreTransaction transaction) => transaction.Connection.ExecuteScalarAsync<long>(
        "SELECT count(*) FROM audit_directory WHERE length(entry) = @length", new { length = DirectoryEntry.KeyEntryLength }, transaction.Transaction);

    /// <summary>Number of entries.</summary>
    public static Task<long> CountAsync(DbConnection connection) =>
        connection.ExecuteScalarAsync<long>("SELECT coalesce(max(sequence), -1) + 1 FROM audit_directory");

    private static StoreTamperedException Missing(long sequence) => new("audit_directory", $"{sequence}", "the entry is missing");
}
