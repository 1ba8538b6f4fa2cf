using System.Text;

namespace KeyService.Crypto.Approvals;

/// <summary>One officer's signed word on one request. docs/spec/approvals.md. That it parses says nothing of its signature.</summary>
public sealed class Approval
{
    /// <summary>Bytes at most.</summary>
    public const int MaxLength = 512;

    private const string FirstLine = "keyservice/approval/v1";

    private Approval(byte[] request, string officer, ApprovalDecision decision, DateTimeOffset time, byte[] signature)
    {
        Request = request;
        Officer = officer;
        Decision = decision;
        Time = time;
        Signature = signature;
    }

    /// <summary>Digest of the request, 32 bytes.</summary>
    public ReadOnlyMemory<byte> Request { get; }

    /// <summary>The officer's id in the roster.</summary>
    public string Officer { get; }

    /// <summary>What the officer says.</summary>
    public ApprovalDecision Decision { get; }

    /// <summary>When, by the officer's clock, in whole seconds.</summary>
    public DateTimeOffset Time { get; }

    /// <summary>r and s, 64 bytes.</summary>
    public ReadOnlyMemory<byte> Signature { get; }

    /// <summary>The lines that are signed.</summary>
    public byte[] SignedBytes => Encoding.ASCII.GetBytes(
        $"{FirstLine}\nrequest {Convert.ToHexStringLower(Request.Span)}\nofficer {Officer}\ndecision {TextOf(Decision)}\ntime {DocumentLines.TimeText(Time)}\n");

    /// <summary>Has <paramref name="sign"/> sign a decision.</summary>
    /// <param name="digest">The request's digest, which the caller computed itself.</param>
    /// <param name="sign">From the bytes to sign to r and s, 64 bytes: ECDSA P-256 over their SHA-256.</param>
    /// <exception cref="ArgumentException">The name, the digest or the signature breaks its rule.</exception>
    public static Approval Sign(ReadOnlySpan<byte> digest, string officer, ApprovalDecision decision, DateTimeOffset time, Func<byte[], byte[]> sign)
    {
        if (digest.Length != ApprovalRequest.DigestLength || !ApprovalName.IsName(officer) || !Enum.IsDefined(decision))
        {
            throw new ArgumentException("A digest has 32 bytes, and an officer a name.", nameof(digest));
        }
        var unsigned = new Approval(digest.ToArray(), officer, decision, DocumentLines.WholeSeconds(time), []);
        return new Approval(digest.ToArray(), officer, decision, unsigned.Time, OfficerSignature.Normalise(sign(unsigned.SignedBytes)));
    }

    /// <summary>The document's bytes.</summary>
    public byte[] ToArray() => [.. SignedBytes, .. Encoding.ASCII.GetBytes($"signature {Convert.ToBase64String(Signature.Span)}\n")];

    /// <summary>Whether the key made the signature.</summary>
    /// <param name="publicKey">SubjectPublicKeyInfo, 91 bytes.</param>
    public bool Verifies(ReadOnlySpan<byte> publicKey) => OfficerSignature.Verifies(publicKey, SignedBytes, Signature.Span);

    /// <summary>False for every text that <see cref="ToArray"/> does not write.</summary>
    public static bool TryParse(ReadOnlySpan<byte> bytes, out Approval? approval)
    {
        approval = null;
        if (!DocumentLines.TryRead(bytes, MaxLength, out DocumentLines lines) || !lines.Label(FirstLine)
            || !lines.Hex("request", ApprovalRequest.DigestLength, out byte[] request)
            || !lines.Name("officer", out string officer) || !lines.Text("decision", out string text)
            || !TryDecision(text, out ApprovalDecision decision)
            || !lines.Time("time", out DateTimeOffset time) || !lines.Base64("signature", OfficerSignature.Length, out byte[] signature)
            || !lines.AtEnd)
        {
            return false;
        }
        approval = new Approval(request, officer, decision, time, signature);
        return true;
    }

    private static string TextOf(ApprovalDecision decision) => decision == ApprovalDecision.Approve ? "approve" : "reject";

    private static bool TryDecision(string text, out ApprovalDecision decision)
    {
        decision = text == "approve" ? ApprovalDecision.Approve : ApprovalDecision.Reject;
        return text == TextOf(decision);
    }
}
