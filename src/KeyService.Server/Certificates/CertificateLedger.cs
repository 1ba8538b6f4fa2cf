using System.Security.Cryptography.X509Certificates;
using KeyService.Server.Access;

namespace KeyService.Server.Certificates;

/// <summary>
/// Client certificates by the connections made with them, in the memory of this server. A connection costs a look into a dictionary, a call
/// nothing. Thread safe.
/// </summary>
internal sealed class CertificateLedger(TimeProvider time)
{
    /// <summary>Beyond this the one that was seen longest ago goes: certificates of one CA that live for minutes are many.</summary>
    private const int Most = 10_000;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, SeenCertificate> _seen = new(StringComparer.Ordinal);
    private long _version;

    /// <summary>Grows when a certificate is seen for the first time.</summary>
    public long Version => Interlocked.Read(ref _version);

    /// <summary>A connection was made with it; <see cref="Closed"/> must follow.</summary>
    public SeenCertificate Opened(X509Certificate2 certificate, Credential[] credentials) => Opened(CertificateFacts.Of(certificate), credentials);

    internal SeenCertificate Opened(CertificateFacts facts, Credential[] credentials)
    {
        var now = time.GetUtcNow();
        lock (_gate)
        {
            if (!_seen.TryGetValue(facts.Fingerprint, out var seen))
            {
                if (_seen.Count >= Most)
                {
                    _seen.Remove(_seen.MinBy(pair => pair.Value.LastSeen(now)).Key);
                }

                _seen[facts.Fingerprint] = seen = new SeenCertificate(facts, credentials, now);
                _version++;
            }

            seen.Connections++;
            seen.LastOpened = now;
            seen.LastMoved = now;
            return seen;
        }
    }

    public void Closed(SeenCertificate seen)
    {
        lock (_gate)
        {
            seen.Connections--;
            seen.LastMoved = time.GetUtcNow();
        }
    }

    /// <summary>Everything, each as it stands now.</summary>
    public IReadOnlyList<ClientCertificateState> All()
    {
        var now = time.GetUtcNow();
        lock (_gate)
        {
            return [.. _seen.Values.Select(each => new ClientCertificateState(each.Facts, each.Credentials, each.FirstSeen, each.LastOpened, each.LastSeen(now), each.Connections))];
        }
    }

    /// <summary>Lets go of those that ended before <paramref name="horizon"/>: nobody connects with them any more.</summary>
    public void Forget(DateTimeOffset horizon)
    {
        lock (_gate)
        {
            foreach (var (fingerprint, _) in _seen.Where(pair => pair.Value.Facts.NotAfter < horizon && pair.Value.Connections == 0).ToList())
            {
                _seen.Remove(fingerprint);
            }
        }
    }
}

/// <summary>A certificate of the ledger at one moment.</summary>
internal sealed record ClientCertificateState(
    CertificateFacts Facts, Credential[] Credentials, DateTimeOffset FirstSeen, DateTimeOffset LastOpened, DateTimeOffset LastSeen, int Connections)
{
    /// <summary>How long a certificate that is not shown any more counts as one of its principal's.</summary>
    private static readonly TimeSpan Remembered = TimeSpan.FromHours(24);

    /// <summary>
    /// Not in use is one that was not seen for a day, and one that a newer certificate of the same principal has taken the place of: no
    /// connection was made with it since the newer one came, and none is open. One that comes back is in use.
    /// </summary>
    /// <param name="all">All that were seen of the principal.</param>
    public bool IsInUse(IEnumerable<ClientCertificateState> all, DateTimeOffset now) =>
        LastSeen > now - Remembered
        && (Connections > 0 || !all.Any(other => other.Facts.NotBefore > Facts.NotBefore && other.FirstSeen >= LastOpened));
}
