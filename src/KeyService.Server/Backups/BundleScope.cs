using System.Data.Common;
using KeyService.Crypto.Backups;
using KeyService.Server.Keys;

namespace KeyService.Server.Backups;

/// <summary>Which keys belong in a bundle.</summary>
/// <param name="Kind">As the header says it.</param>
/// <param name="NamesAsync">Names behind a name, in byte order, up to a number of them.</param>
internal sealed record BundleScope(BundleKind Kind, Func<DbConnection, string, int, Task<IReadOnlyList<string>>> NamesAsync)
{
    /// <summary>Everything.</summary>
    public static BundleScope Full { get; } = new(BundleKind.Full, (connection, after, limit) => KeyTables.ListNamesAsync(connection, "", after, limit));

    /// <summary>The versions made since then that no bundle holds.</summary>
    public static BundleScope Since(DateTimeOffset since) =>
        new(BundleKind.Incremental, (connection, after, limit) => BackupTables.ListWaitingNamesAsync(connection, since, after, limit));

    /// <summary>These keys.</summary>
    public static BundleScope Of(IEnumerable<string> names)
    {
        var sorted = names.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ToList();
        return new(BundleKind.Selection, (_, after, limit) => Task.FromResult<IReadOnlyList<string>>(
            [.. sorted.SkipWhile(name => string.CompareOrdinal(name, after) <= 0).Take(limit)]));
    }
}
