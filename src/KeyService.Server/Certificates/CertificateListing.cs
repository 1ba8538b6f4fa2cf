using System.Globalization;
using Google.Protobuf.WellKnownTypes;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;

namespace KeyService.Server.Certificates;

/// <summary>The certificates of this server and of its clients as system.proto has them, what ends first at the top.</summary>
internal sealed class CertificateListing(CertificateWatch watch, CertificateLedger ledger, AccessRegister access, PageTokens pageTokens, TimeProvider time)
{
    private const string List = "ListCertificates";
    private const int DefaultPageSize = 100;
    private const int MaxPageSize = 1000;

    /// <exception cref="Refusal">INVALID_ARGUMENT.</exception>
    public async Task<ListCertificatesResponse> PageAsync(ListCertificatesRequest request, CancellationToken cancellationToken)
    {
        var size = request.PageSize switch
        {
            0 => DefaultPageSize,
            > 0 and <= MaxPageSize => request.PageSize,
            _ => throw Refusal.InvalidArgument("page_size", $"must be 1 to {MaxPageSize}, or 0 for {DefaultPageSize}"),
        };
        var after = request.PageToken.Length == 0
            ? ""
            : await pageTokens.OpenAsync(List, "", request.PageToken, cancellationToken)
                ?? throw Refusal.InvalidArgument("page_token", "must be a token that this list answered");
        var page = All().Select(certificate => (Place: PlaceOf(certificate), Certificate: certificate))
            .Where(each => string.CompareOrdinal(each.Place, after) > 0).OrderBy(each => each.Place, StringComparer.Ordinal).Take(size + 1).ToList();
        var response = new ListCertificatesResponse
        {
            NextPageToken = page.Count > size ? await pageTokens.SealAsync(List, "", page[size - 1].Place, cancellationToken) : "",
        };
        response.Certificates.AddRange(page.Take(size).Select(each => each.Certificate));
        return response;
    }

    private IEnumerable<Certificate> All()
    {
        var now = time.GetUtcNow();
        foreach (var (use, facts) in watch.Own())
        {
            yield return Message((CertificateRole)use, facts, isAuthority: use != CertificateUse.Server, now);
        }

        foreach (var seen in ledger.All())
        {
            var certificate = Message(CertificateRole.Client, seen.Facts, isAuthority: false, now);
            certificate.Principal = access.Find(seen.Credentials)?.Name ?? "";
            certificate.LastSeenTime = seen.LastSeen.ToTimestamp();
            certificate.Connections = seen.Connections;
            yield return certificate;
        }
    }

    private static Certificate Message(CertificateRole role, CertificateFacts facts, bool isAuthority, DateTimeOffset now) => new()
    {
        Role = role,
        Subject = facts.Subject,
        SerialNumber = facts.SerialNumber,
        FingerprintSha256 = facts.Fingerprint,
        StartTime = facts.NotBefore.ToTimestamp(),
        ExpireTime = facts.NotAfter.ToTimestamp(),
        Finding = CertificateRules.Finding(facts, isAuthority, now)?.Message ?? "",
    };

    // Seconds of the end, then role and certificate: one place each, whatever comes and goes between two pages.
    private static string PlaceOf(Certificate certificate) => string.Create(
        CultureInfo.InvariantCulture, $"{certificate.ExpireTime.Seconds:d20} {(int)certificate.Role} {certificate.FingerprintSha256}");
}
