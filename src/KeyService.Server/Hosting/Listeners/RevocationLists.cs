using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace KeyService.Server.Hosting;

/// <summary>What the lists say of one certificate.</summary>
internal enum RevocationVerdict
{
    Good,
    Revoked,

    /// <summary>No list of its issuer is there.</summary>
    NoList,

    /// <summary>The newest list of its issuer promised a successor that did not come.</summary>
    Expired,
}

/// <summary>A certificate of a chain and the one that issued it: what is asked again as long as its connection is open.</summary>
internal sealed record ChainLink(X509Certificate2 Certificate, X509Certificate2 Issuer)
{
    /// <summary>Tells authorities apart.</summary>
    public string IssuerFingerprint { get; } = Issuer.GetCertHashString(HashAlgorithmName.SHA256);

    /// <summary>The links of a chain, from the client's certificate up; copies that outlive it.</summary>
    public static IReadOnlyList<ChainLink> Of(X509Chain chain)
    {
        var certificates = chain.ChainElements.Select(element => X509CertificateLoader.LoadCertificate(element.Certificate.RawDataMemory.Span)).ToList();
        return [.. certificates.Zip(certificates.Skip(1), (certificate, issuer) => new ChainLink(certificate, issuer))];
    }
}

/// <summary>The configured lists (tls.crl). Immutable; new files make new ones.</summary>
internal sealed class RevocationLists
{
    private const string Label = "X509 CRL";
    private const int MaxFileLength = 64 * 1024 * 1024;

    private readonly bool _refusesExpired;

    /// <summary>By the fingerprint of an authority: a signature is verified once.</summary>
    private readonly ConcurrentDictionary<string, RevocationList?> _byAuthority = new(StringComparer.Ordinal);
    private readonly List<RevocationList> _lists;

    private RevocationLists(List<RevocationList> lists, bool refusesExpired)
    {
        // The newest of an issuer is asked.
        _lists = [.. lists.OrderByDescending(list => list.ThisUpdate)];
        _refusesExpired = refusesExpired;
    }

    public IReadOnlyList<RevocationList> All => _lists;

    /// <summary>Null when none is configured: then nothing is asked.</summary>
    /// <exception cref="TlsMaterialException">A file is missing or holds something else.</exception>
    public static RevocationLists? Load(TlsConfiguration tls)
    {
        var lists = new List<RevocationList>();
        foreach (var path in tls.CrlPaths)
        {
            lists.AddRange(Read(path));
        }

        return tls.CrlPaths.Count == 0 ? null : new RevocationLists(lists, tls.RefusesExpiredCrl);
    }

    /// <summary>Whether one of them expired in this time, so that what was judged before it may be judged otherwise now.</summary>
    public bool HasExpiredSince(DateTimeOffset before, DateTimeOffset now) => _lists.Exists(list => list.NextUpdate > before && list.NextUpdate <= now);

    /// <summary>What they say of a chain: its first link that is not good.</summary>
    public (RevocationVerdict Verdict, string Why) Judge(IReadOnlyList<ChainLink> chain, DateTimeOffset now)
    {
        foreach (var link in chain)
        {
            var (certificate, issuer) = link;
            var list = _byAuthority.GetOrAdd(link.IssuerFingerprint, _ => _lists.Find(each => each.IsSignedBy(issuer)));
            if (list is null)
            {
                return (RevocationVerdict.NoList, $"no revocation list of {issuer.Subject} is there (tls.crl)");
            }

            // Also by an expired one: nobody is un-revoked by time.
            if (list.Revokes(certificate))
            {
                return (RevocationVerdict.Revoked, $"{issuer.Subject} revoked serial number {certificate.SerialNumber}");
            }

            if (_refusesExpired && now >= list.NextUpdate)
            {
                return (RevocationVerdict.Expired, $"the revocation list of {issuer.Subject} ended {list.NextUpdate:u}");
            }
        }

        return (RevocationVerdict.Good, "");
    }

    private static List<RevocationList> Read(string path)
    {
        byte[] bytes;
        try
        {
            bytes = new FileInfo(path).Length <= MaxFileLength ? File.ReadAllBytes(path)
                : throw new TlsMaterialException($"The revocation list {path} is larger than {MaxFileLength / 1024 / 1024} MiB.");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new TlsMaterialException($"The revocation list {path} cannot be read: {exception.Message}", exception);
        }

        var lists = new List<RevocationList>();
        foreach (var der in Encodings(bytes))
        {
            lists.Add(RevocationList.TryParse(der, out var list) ? list : throw new TlsMaterialException(
                $"{path} holds something else than a complete revocation list of one issuer, with nextUpdate, signed by RSA or ECDSA with SHA-2."));
        }

        return lists.Count > 0 ? lists : throw new TlsMaterialException($"{path} holds no revocation list: PEM (X509 CRL) or DER.");
    }

    private static List<byte[]> Encodings(byte[] bytes)
    {
        // DER begins with a sequence, which is no text.
        if (bytes is [0x30, ..])
        {
            return [bytes];
        }

        var found = new List<byte[]>();
        ReadOnlySpan<char> rest = System.Text.Encoding.Latin1.GetString(bytes);
        while (PemEncoding.TryFind(rest, out var fields))
        {
            if (rest[fields.Label].SequenceEqual(Label))
            {
                found.Add(Convert.FromBase64String(rest[fields.Base64Data].ToString()));
            }

            rest = rest[fields.Location.End..];
        }

        return found;
    }
}
