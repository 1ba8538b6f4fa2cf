using System.Data.Common;
using KeyService.Crypto;
using KeyService.Protocol.V1;
using KeyService.Server.Keys;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using KeyState = KeyService.Server.Keys.KeyState;

namespace KeyService.Server.Holdings;

/// <summary>
/// What still needs a key version, as far as the service was told. What was never looked at counts as needing it: a version is free only
/// when every place that may hold something of its key was scanned whole, after the version had stopped protecting.
/// </summary>
internal sealed class Dependencies(IStore store, RowAuthenticator rows, IEnumerable<DependencySource> others, TimeProvider time)
{
    /// <summary>Holdings looked at in one read.</summary>
    private const int Page = 1000;

    private readonly HoldingTables _holdings = new(rows);
    private readonly KeyTables _keys = new(rows);

    /// <summary>Everything that needs the version now; empty when nothing does.</summary>
    /// <exception cref="Refusal">NOT_FOUND: no such version.</exception>
    /// <exception cref="StoreTamperedException">A row, or the register of holdings, was changed outside the service.</exception>
    public async Task<IReadOnlyList<Dependency>> OfVersionAsync(KeyVersionId id, CancellationToken cancellationToken)
    {
        var found = await store.ReadAsync(connection => OfVersionAsync(connection, id, cancellationToken), cancellationToken);
        foreach (var source in others)
        {
            found.AddRange(await source(id, cancellationToken));
        }

        return found;
    }

    /// <summary>Every holding, verified against the register.</summary>
    /// <exception cref="StoreTamperedException">A row, or the register of holdings, was changed outside the service.</exception>
    public async Task<IReadOnlyList<Holding>> HoldingsAsync(DbConnection connection, CancellationToken cancellationToken)
    {
        await _holdings.VerifyRegistersAsync(connection, cancellationToken);
        var all = new List<Holding>();
        IReadOnlyList<Holding> page;
        do
        {
            page = await _holdings.ListAsync(connection, all.Count == 0 ? "" : all[^1].Name, Page, cancellationToken);
            all.AddRange(page);
        }
        while (page.Count == Page);
        return all;
    }

    private async Task<List<Dependency>> OfVersionAsync(DbConnection connection, KeyVersionId id, CancellationToken cancellationToken)
    {
        var version = await _keys.FindVersionAsync(connection, null, id, cancellationToken) ?? throw Refusal.NotFound($"Key version {id}");
        var found = new List<Dependency>();
        if (version.State == KeyState.PreActivation || version.State == KeyState.Destroyed)
        {
            // It never protected anything, or is gone.
            return found;
        }

        if (KeyStates.MayProtect(version.State))
        {
            found.Add(new Dependency(DependencyKind.Active, version.KeyName, "it is the active version and protects new data"));
        }

        var holdings = await HoldingsAsync(connection, cancellationToken);
        var counts = (await _holdings.HoldingsOfAsync(connection, id, cancellationToken)).ToDictionary(count => count.Holding, StringComparer.Ordinal);
        if (!holdings.Any(holding => holding.MayHold(version.KeyName)))
        {
            found.Add(new Dependency(
                DependencyKind.NothingRegistered, version.KeyName, "no holding is registered for the key, so nothing is known of where its data lives"));
        }

        foreach (var holding in holdings)
        {
            if (OfHolding(holding, counts.GetValueOrDefault(holding.Name), version) is { } dependency)
            {
                found.Add(dependency);
            }
        }

        return found;
    }

    private Dependency? OfHolding(Holding holding, HoldingVersion? count, KeyVersionRow version)
    {
        var now = time.GetUtcNow();
        var needed = holding.Needed(count, now);
        if (holding.Retired)
        {
            return null;
        }

        if (needed > 0)
        {
            return holding.IsWriteOnce(now)
                ? new Dependency(
                    DependencyKind.HoldingPinned, holding.Name,
                    $"{needed} items, which cannot be changed before {holding.WriteOnceUntil:yyyy-MM-dd}", needed, holding.WriteOnceUntil)
                : new Dependency(DependencyKind.HoldingItems, holding.Name, $"{needed} items as of {holding.ScannedAt ?? count!.ReportedAt:u}", needed);
        }

        return !holding.MayHold(version.KeyName) || (ProtectedLast(version) is { } last && holding.ScannedSince(last))
            ? null
            : new Dependency(
                DependencyKind.HoldingNotScanned, holding.Name,
                holding.ScannedFrom is { } scanned
                    ? $"last scanned whole {scanned:u}, while the version could still protect"
                    : "never scanned whole, so what it holds is unknown");
    }

    // Null: it protects still, or when it stopped is not known; then no scan is late enough.
    private static DateTimeOffset? ProtectedLast(KeyVersionRow version) => KeyStates.MayProtect(version.State)
        ? null
        : version.DeactivateTime ?? version.CompromiseProcessedTime ?? version.LastChange?.Time;
}
