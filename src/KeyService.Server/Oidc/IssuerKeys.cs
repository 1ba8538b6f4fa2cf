using System.Collections.Frozen;
using System.Text.Json;

namespace KeyService.Server.Oidc;

/// <summary>Reads a document of the issuer: 200, within its limits, or an exception.</summary>
internal delegate Task<byte[]> IssuerFetch(Uri url, CancellationToken cancellationToken);

/// <summary>
/// The issuer's keys: fetched by discovery (OpenID Connect Discovery 1.0, 4) when first needed, again every ten minutes, and when a token names one
/// that is not known, at most every 30 seconds. While the issuer is down those that were fetched go on for a bounded time. Thread safe; one fetch at
/// a time.
/// </summary>
internal sealed class IssuerKeys(OidcConfiguration configuration, IssuerFetch fetch, TimeProvider time, OidcLog log) : IDisposable
{
    /// <summary>Between two fetches, whatever tokens say.</summary>
    public static readonly TimeSpan Pause = TimeSpan.FromSeconds(30);

    private readonly SemaphoreSlim _turn = new(1);
    private volatile Fetched? _fetched;
    private long _triedAt = long.MinValue;

    /// <summary>The key of that id for that algorithm; null when the issuer has none.</summary>
    /// <exception cref="IssuerUnavailableException">There are no keys, or none that are new enough.</exception>
    public async ValueTask<IssuerKey?> FindAsync(string id, string algorithm, CancellationToken cancellationToken)
    {
        if (IsDue() || _fetched is not { } known || !known.Keys.ContainsKey((id, algorithm)))
        {
            // Also when it is not due: somebody may be fetching what this one needs.
            await RefreshAsync(cancellationToken);
        }

        var current = _fetched;
        return current is null || Age(current) >= configuration.KeyAge
            ? throw new IssuerUnavailableException(configuration.Issuer, current?.Time)
            : current.Keys.GetValueOrDefault((id, algorithm));
    }

    public void Dispose() => _turn.Dispose();

    private TimeSpan Age(Fetched fetched) => time.GetElapsedTime(fetched.At);

    // Not yet, or long enough ago; and not while what there is is fresh, but for a key that is not known.
    private bool MayTry() => Volatile.Read(ref _triedAt) is var tried && (tried == long.MinValue || time.GetElapsedTime(tried) >= Pause);

    private bool IsDue() => MayTry() && (_fetched is not { } known || Age(known) >= OidcConfiguration.RefreshAfter);

    private async Task RefreshAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            if (!MayTry())
            {
                // Somebody else did it while this one waited.
                return;
            }

            Volatile.Write(ref _triedAt, time.GetTimestamp());
            // Not cancelled by whoever happens to be first: others wait for it too.
            _fetched = await FetchAsync();
        }
        catch (Exception e) when (e is HttpRequestException or IOException or FormatException or JsonException or OperationCanceledException)
        {
            log.KeysNotFetched(configuration.Issuer, e.Message);
        }
        finally
        {
            _turn.Release();
        }
    }

    private async Task<Fetched> FetchAsync()
    {
        var at = time.GetTimestamp();
        using var discovery = JsonDocument.Parse(await fetch(new Uri(configuration.Discovery), CancellationToken.None));
        var root = discovery.RootElement;
        if (root.ValueKind != JsonValueKind.Object || Text(root, "issuer") != configuration.Issuer)
        {
            throw new FormatException("Its discovery document names another issuer than the configuration.");
        }

        if (!Uri.TryCreate(Text(root, "jwks_uri"), UriKind.Absolute, out var keys) || !IsSafe(keys))
        {
            throw new FormatException("Its discovery document names no https:// URL of its keys.");
        }

        return new Fetched(IssuerKeySet.Parse(await fetch(keys, CancellationToken.None)), at, time.GetUtcNow());
    }

    /// <summary>https, or http within this machine.</summary>
    internal static bool IsSafe(Uri url) => (url.Scheme == Uri.UriSchemeHttps || url.Scheme == Uri.UriSchemeHttp && url.IsLoopback)
        && url.UserInfo.Length == 0;

    private static string? Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private sealed record Fetched(FrozenDictionary<(string Id, string Algorithm), IssuerKey> Keys, long At, DateTimeOffset Time);
}
