using KeyService.Crypto;
using KeyService.Server.Holdings;
using KeyService.Server.Storage;

namespace KeyService.Server.Destruction;

/// <summary>What a version was used for while its destruction waited, as a dependency: whoever used it lately needs it.</summary>
internal sealed class DestructionUse(IStore store, RowAuthenticator rows, TimeProvider time)
{
    /// <summary>A use that is longer ago than this counts no more: the shortest waiting period.</summary>
    public static readonly TimeSpan Recent = TimeSpan.FromDays(7);

    private readonly DestructionTable _table = new(rows);

    public async Task<IReadOnlyList<Dependency>> OfVersionAsync(KeyVersionId version, CancellationToken cancellationToken)
    {
        var open = await store.ReadAsync(connection => _table.ListOpenAsync(connection, null, cancellationToken), cancellationToken);
        var since = time.GetUtcNow() - Recent;
        return
        [
            .. open.Where(each => each.Versions.Contains(version) && each.LastUseTime > since).Select(each => new Dependency(
                DependencyKind.Used, each.Key, $"{each.Uses} calls used it while its destruction waited, the last {each.LastUseTime:u}", each.Uses,
                each.LastUseTime + Recent)),
        ];
    }
}
