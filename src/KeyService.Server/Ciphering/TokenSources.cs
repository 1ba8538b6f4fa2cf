using KeyService.Crypto;
using KeyService.Protocol.Bulk;
using KeyService.Server.Keys;
using KeyService.Server.Pipeline;

namespace KeyService.Server.Ciphering;

/// <summary>
/// The key versions behind the tokens of one request, each looked up and asked for once. Nearly always it is one.
/// </summary>
internal sealed class TokenSources
{
    private readonly Dictionary<KeyVersionId, TokenSource> _sources = [];
    private KeyVersionId _lastId;
    private TokenSource? _last;

    public IReadOnlyCollection<TokenSource> All => _sources.Values;

    /// <summary>True when every version that a token names is unknown or not granted: then the whole call is refused.</summary>
    public bool AllDenied => _sources.Count > 0 && _sources.Values.All(source => source.Error == ItemError.AccessDenied);

    public static async Task<TokenSources> ResolveAsync(FieldRequest request, EncryptionContext shared, KeyRing keys, Call call)
    {
        var sources = new TokenSources();
        for (var item = 0; item < request.ItemCount; item++)
        {
            if (VersionOf(request, item) is { } id && (sources._last is null || id != sources._lastId))
            {
                await sources.AddAsync(id, request, shared, keys, call);
            }
        }

        return sources;
    }

    /// <summary>The source of a version that <see cref="ResolveAsync"/> met.</summary>
    public TokenSource this[KeyVersionId id]
    {
        get
        {
            if (_last is null || id != _lastId)
            {
                (_lastId, _last) = (id, _sources[id]);
            }

            return _last;
        }
    }

    private static KeyVersionId? VersionOf(FieldRequest request, int item) =>
        FieldToken.TryParse(request.Data(item), out var token) && token.Format == FieldToken.Format1 ? token.VersionId : null;

    private async Task AddAsync(KeyVersionId id, FieldRequest request, EncryptionContext shared, KeyRing keys, Call call)
    {
        if (!_sources.TryGetValue(id, out var source))
        {
            source = await FindAsync(id, request, shared, keys, call);
            _sources.Add(id, source);
        }

        (_lastId, _last) = (id, source);
    }

    private static async Task<TokenSource> FindAsync(
        KeyVersionId id, FieldRequest request, EncryptionContext shared, KeyRing keys, Call call)
    {
        if (await keys.FindVersionAsync(id, call.CancellationToken) is not { } version)
        {
            return TokenSource.Refused(ItemError.AccessDenied);
        }

        // The record names what was tried, though a refused caller does not learn it.
        if (call.Record.KeyVersion is null)
        {
            call.Record.Key = version.KeyName;
            call.Record.KeyVersion = id;
        }

        var coversAll = call.Covers(version.KeyName, shared);
        if (!coversAll && !ItemAuthorization.CoversAny(call, version.KeyName, shared, request))
        {
            return TokenSource.Refused(ItemError.AccessDenied);
        }

        keys.Uses.Note(id);
        call.WarnOf(version.Row);
        return version.Row.MayProcess
            ? TokenSource.Of(version, await version.CipherAsync(call.CancellationToken), asksPerItem: !coversAll)
            : TokenSource.Refused(ItemError.KeyState);
    }
}
