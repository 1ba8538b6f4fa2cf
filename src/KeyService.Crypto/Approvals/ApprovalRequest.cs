using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace KeyService.Crypto.Approvals;

/// <summary>
/// A call that waits for a quorum, in the one text that officers sign the digest of. docs/spec/approvals.md. Printable ASCII, so that what is shown
/// is what is signed; whatever parses is written again byte for byte.
/// </summary>
public sealed class ApprovalRequest
{
    /// <summary>Bytes at most.</summary>
    public const int MaxLength = 1 << 20;

    /// <summary>Parameters at most.</summary>
    public const int MaxParameters = 4096;

    /// <summary>Bytes of the nonce.</summary>
    public const int NonceLength = 32;

    /// <summary>Bytes of an installation's id.</summary>
    public const int InstallationLength = 16;

    /// <summary>Bytes of a digest or of a roster's hash.</summary>
    public const int DigestLength = SHA256.HashSizeInBytes;

    /// <summary>How long a request may be open at most.</summary>
    public static readonly TimeSpan MaxLife = TimeSpan.FromDays(31);

    private const string FirstLine = "keyservice/approval-request/v1";
    private const int MaxMethodLength = 256;

    private ApprovalRequest(
        byte[] installation, byte[] roster, string method, string requester, DateTimeOffset created, DateTimeOffset expires, byte[] nonce,
        IReadOnlyList<RequestParameter> parameters)
    {
        Installation = installation;
        Roster = roster;
        Method = method;
        Requester = requester;
        Created = created;
        Expires = expires;
        Nonce = nonce;
        Parameters = parameters;
    }

    /// <summary>Id of the installation that is to do it, 16 bytes.</summary>
    public ReadOnlyMemory<byte> Installation { get; }

    /// <summary>Hash of the roster whose officers decide, 32 bytes.</summary>
    public ReadOnlyMemory<byte> Roster { get; }

    /// <summary>Full name of the call, "keyservice.v1.Destructions/ScheduleDestruction".</summary>
    public string Method { get; }

    /// <summary>Who asks; never one of those who decide.</summary>
    public string Requester { get; }

    /// <summary>When it was asked for, in whole seconds.</summary>
    public DateTimeOffset Created { get; }

    /// <summary>From then on it is neither decided nor done, in whole seconds.</summary>
    public DateTimeOffset Expires { get; }

    /// <summary>32 random bytes: the same call asked for twice is two requests.</summary>
    public ReadOnlyMemory<byte> Nonce { get; }

    /// <summary>Every field of the call that is set, in the order of the message.</summary>
    public IReadOnlyList<RequestParameter> Parameters { get; }

    /// <summary>What officers sign: SHA-256 of the text, 32 bytes.</summary>
    public byte[] Digest => SHA256.HashData(ToArray());

    /// <param name="created">Cut to whole seconds, as is <paramref name="expires"/>.</param>
    /// <exception cref="ArgumentException">Something breaks its rule.</exception>
    public static ApprovalRequest Create(
        ReadOnlySpan<byte> installation, ReadOnlySpan<byte> roster, string method, string requester, DateTimeOffset created, DateTimeOffset expires,
        ReadOnlySpan<byte> nonce,
        IReadOnlyList<RequestParameter> parameters)
    {
        var request = new ApprovalRequest(
            installation.ToArray(), roster.ToArray(), method, requester, DocumentLines.WholeSeconds(created), DocumentLines.WholeSeconds(expires),
            nonce.ToArray(), parameters);
        return installation.Length == InstallationLength && roster.Length == DigestLength && nonce.Length == NonceLength && request.KeepsRules()
            && request.ToArray().Length <= MaxLength
            ? request
            : throw new ArgumentException("A name, a length, a time or a parameter breaks its rule (docs/spec/approvals.md).");
    }

    /// <summary>The text's bytes.</summary>
    public byte[] ToArray()
    {
        var text = new StringBuilder();
        text.Append(FirstLine).Append('\n')
            .Append("installation ").Append(Convert.ToHexStringLower(Installation.Span)).Append('\n')
            .Append("roster ").Append(Convert.ToHexStringLower(Roster.Span)).Append('\n')
            .Append("method ").Append(Method).Append('\n')
            .Append("requester ").Append(Requester).Append('\n')
            .Append("created ").Append(DocumentLines.TimeText(Created)).Append('\n')
            .Append("expires ").Append(DocumentLines.TimeText(Expires)).Append('\n')
            .Append("nonce ").Append(Convert.ToHexStringLower(Nonce.Span)).Append('\n')
            .Append(CultureInfo.InvariantCulture, $"parameters {Parameters.Count}\n");
        foreach (RequestParameter parameter in Parameters)
        {
            text.Append(parameter.Name).Append(' ').Append(parameter.Escaped()).Append('\n');
        }
        return Encoding.ASCII.GetBytes(text.ToString());
    }

    /// <summary>False for every text that <see cref="ToArray"/> does not write.</summary>
    public static bool TryParse(ReadOnlySpan<byte> bytes, out ApprovalRequest? request)
    {
        request = null;
        if (!DocumentLines.TryRead(bytes, MaxLength, out DocumentLines lines) || !lines.Label(FirstLine)
            || !lines.Hex("installation", InstallationLength, out byte[] installation)
            || !lines.Hex("roster", DigestLength, out byte[] roster) || !lines.Text("method", out string method)
            || !lines.Name("requester", out string requester)
            || !lines.Time("created", out DateTimeOffset created) || !lines.Time("expires", out DateTimeOffset expires)
            || !lines.Hex("nonce", NonceLength, out byte[] nonce)
            || !lines.Number("parameters", 0, MaxParameters, out int count))
        {
            return false;
        }
        var parameters = new List<RequestParameter>();
        for (int i = 0; i < count; i++)
        {
            if (!lines.Pair(out string name, out string escaped) || !RequestParameter.TryUnescape(escaped, out string value))
            {
                return false;
            }
            parameters.Add(new RequestParameter(name, value));
        }
        var parsed = new ApprovalRequest(installation, roster, method, requester, created, expires, nonce, parameters);
        request = lines.AtEnd && parsed.KeepsRules() ? parsed : null;
        return request is not null;
    }

    private bool KeepsRules() => ApprovalName.IsName(Requester) && IsMethod(Method) && Created < Expires && Expires - Created <= MaxLife
        && Parameters.Count <= MaxParameters && Parameters.All(parameter => parameter.IsValid)
        && Parameters.Select(parameter => parameter.Name).ToHashSet(StringComparer.Ordinal).Count == Parameters.Count;

    private static bool IsMethod(string method) => method.Length is > 2 and <= MaxMethodLength && method.Count(c => c == '/') == 1
        && method[0] != '/' && method[^1] != '/'
        && method.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '/');
}
