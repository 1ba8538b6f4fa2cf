using System.Globalization;
using KeyService.Server.Storage;

namespace KeyService.Server.Keys;

/// <summary>A version's row with what stands beside it.</summary>
internal sealed record KeyVersionFacts(KeyVersionRow Row, long WrapsReserved);

/// <summary>A key's row with its active version.</summary>
internal sealed record KeyFacts(KeyRow Row, KeyVersionFacts Primary);

/// <summary>Reads keys for people: always from the store, never from memory, so that an edited row shows at once.</summary>
internal sealed class KeyQueries(IStore store, RowAuthenticator rows)
{
    private readonly KeyTables _keys = new(rows);
    private readonly KeyMaterialTables _material = new(rows);
    private readonly KeyTransitionTable _transitions = new(rows);
    private readonly KeyUseTable _uses = new(rows);

    /// <summary>A key; null when there is none.</summary>
    /// <exception cref="StoreTamperedException">A row of it was changed outside the service.</exception>
    public async Task<KeyFacts?> FindAsync(string name, CancellationToken cancellationToken) =>
        (await FindAsync([name], cancellationToken)).SingleOrDefault();

    /// <summary>Keys by their names, each once and in that order; those that are not there are left out. A page takes as many statements as one key.</summary>
    /// <exception cref="StoreTamperedException">A row of one was changed outside the service.</exception>
    public Task<IReadOnlyList<KeyFacts>> FindAsync(IReadOnlyList<string> names, CancellationToken cancellationToken) =>
        names.Count == 0
        ? Task.FromResult<IReadOnlyList<KeyFacts>>([])
        : store.ReadAsync<IReadOnlyList<KeyFacts>>(
        async connection =>
        {
            var keys = await _keys.FindKeysAsync(connection, null, names, cancellationToken);
            var found = names.Where(keys.ContainsKey).Select(name => keys[name]).ToList();
            var ids = found.ConvertAll(key => key.PrimaryVersion);
            var versions = await _keys.FindVersionsAsync(connection, null, ids, cancellationToken);
            if (ids.Find(id => !versions.ContainsKey(id)) is { Value: not 0 } missing)
            {
                throw new StoreTamperedException("key_versions", missing.ToString(), "the active version of a key is missing");
            }

            var wraps = await _material.GetWrapCountsAsync(connection, null, ids, cancellationToken);
            return found.ConvertAll(key => new KeyFacts(key, new KeyVersionFacts(versions[key.PrimaryVersion], wraps[key.PrimaryVersion].Reserved)));
        },
        cancellationToken);

    /// <summary>A version's row with what stands beside it, inside the change that writes it.</summary>
    public async Task<KeyVersionFacts> FactsOfAsync(IStoreTransaction transaction, KeyVersionRow row)
    {
        var wraps = await _material.GetWrapCountAsync(transaction.Connection, transaction.Transaction, row.Id, CancellationToken.None);
        return new KeyVersionFacts(row, wraps.Reserved);
    }

    /// <summary>A version that a row names, inside a change.</summary>
    /// <exception cref="StoreTamperedException">It is missing, or was changed outside the service.</exception>
    public async Task<KeyVersionRow> RequireVersionAsync(IStoreTransaction transaction, Crypto.KeyVersionId id) =>
        await _keys.FindVersionAsync(transaction.Connection, transaction.Transaction, id, CancellationToken.None)
        ?? throw new StoreTamperedException("key_versions", id.ToString(), "the active version of a key is missing");

    /// <summary>All changes of a version's state; null when the key has no such version.</summary>
    public Task<IReadOnlyList<KeyTransition>?> ListTransitionsAsync(string keyName, Crypto.KeyVersionId id, CancellationToken cancellationToken) =>
        store.ReadAsync(
            async connection => await _keys.FindVersionAsync(connection, null, id, cancellationToken) is { } version && version.KeyName == keyName
                ? await _transitions.ListAsync(connection, version, cancellationToken)
                : null,
            cancellationToken);

    /// <summary>All changes of the state of each of some versions.</summary>
    /// <exception cref="StoreTamperedException">One was changed, or some are missing.</exception>
    public Task<IReadOnlyDictionary<Crypto.KeyVersionId, IReadOnlyList<KeyTransition>>> ListTransitionsAsync(
        IReadOnlyCollection<KeyVersionRow> versions, CancellationToken cancellationToken) =>
        store.ReadAsync(connection => _transitions.ListAsync(connection, versions, cancellationToken), cancellationToken);

    /// <summary>Who did what with the versions of a key, the last user first.</summary>
    public Task<IReadOnlyList<KeyUseRow>> ListUsesAsync(string keyName, int limit, CancellationToken cancellationToken) =>
        store.ReadAsync(connection => _uses.ListAsync(connection, keyName, limit, cancellationToken), cancellationToken);

    /// <summary>Names after a place, in byte order: where to look, not yet verified.</summary>
    public Task<IReadOnlyList<string>> ListNamesAsync(string prefix, string after, int limit, CancellationToken cancellationToken) =>
        store.ReadAsync(connection => KeyTables.ListNamesAsync(connection, prefix, after, limit), cancellationToken);

    /// <summary>All versions of the keys from one name to another, both included, in byte order.</summary>
    /// <exception cref="StoreTamperedException">A row was changed outside the service. That none is missing is seen when the keys are read.</exception>
    public Task<IReadOnlyList<KeyVersionRow>> ListVersionsOfKeysAsync(string first, string last, CancellationToken cancellationToken) =>
        store.ReadAsync(connection => _keys.ListVersionsOfKeysAsync(connection, first, last, tampered => throw tampered, cancellationToken), cancellationToken);

    /// <summary>Versions of a key, newest first, older than the given place.</summary>
    public Task<IReadOnlyList<KeyVersionFacts>> ListVersionsAsync(
        string keyName, KeyVersionPlace before, int limit, CancellationToken cancellationToken) =>
        store.ReadAsync<IReadOnlyList<KeyVersionFacts>>(
        async connection =>
        {
            var versions = await _keys.ListVersionsAsync(connection, keyName, before.CreatedAt, before.Id, limit, cancellationToken);
            var wraps = await _material.GetWrapCountsAsync(connection, null, [.. versions.Select(version => version.Id)], cancellationToken);
            return [.. versions.Select(version => new KeyVersionFacts(version, wraps[version.Id].Reserved))];
        },
        cancellationToken);
}

/// <summary>A place in the list of versions: creation time in nanoseconds, then the id's 64 bits.</summary>
internal readonly record struct KeyVersionPlace(long CreatedAt, long Id)
{
    /// <summary>Before the newest.</summary>
    public static KeyVersionPlace Start { get; } = new(long.MaxValue, long.MaxValue);

    public static KeyVersionPlace Of(KeyVersionRow row) => new(UnixTime.Nanoseconds(row.CreateTime), KeyTables.Signed(row.Id));

    /// <summary>Accepts what <see cref="ToString"/> writes and no other way of writing the same numbers.</summary>
    public static bool TryParse(string text, out KeyVersionPlace place)
    {
        place = default;
        var dot = text.IndexOf('.', StringComparison.Ordinal);
        if (dot < 0 || !TryNumber(text.AsSpan(0, dot), out var createdAt) || !TryNumber(text.AsSpan(dot + 1), out var id))
        {
            return false;
        }

        var parsed = new KeyVersionPlace(createdAt, id);
        place = parsed.ToString() == text ? parsed : default;
        return parsed.ToString() == text;
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{CreatedAt}.{Id}");

    private static bool TryNumber(ReadOnlySpan<char> text, out long number) =>
        long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out number);
}
