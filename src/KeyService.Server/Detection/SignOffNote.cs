using System.Globalization;
using KeyService.Crypto.Logs;
using KeyService.Hsm;

namespace KeyService.Server.Detection;

/// <summary>The statement that a month's findings were reviewed, signed by the HSM: docs/spec/review.md.</summary>
internal static class SignOffNote
{
    public static string Origin(byte[] installation) => $"keyservice/{Convert.ToHexStringLower(installation)}/reviews";

    /// <summary>The text that is signed; it commits to every finding of the month as it was closed.</summary>
    public static string TextOf(string origin, string month, string reviewer, DateTimeOffset time, IReadOnlyList<FindingRow> findings) => string.Create(
        CultureInfo.InvariantCulture,
        $"{origin}\n{month}\n{reviewer}\n{time.UtcDateTime:yyyy-MM-dd'T'HH:mm:ss'Z'}\n{findings.Count}\n{Convert.ToBase64String(DigestOf(findings))}\n");

    /// <summary>Root of the RFC 6962 tree over the findings' canonical rows, ascending by id.</summary>
    public static byte[] DigestOf(IReadOnlyList<FindingRow> findings)
    {
        var tree = new MerkleFrontier();
        foreach (var finding in findings)
        {
            tree.Append(MerkleHash.Leaf(finding.Canonical()));
        }

        return tree.Root();
    }
}

/// <summary>Who signs off: the installation's key for reviews, in service the token's.</summary>
/// <param name="PublicKey">SubjectPublicKeyInfo of the P-256 key, 91 bytes.</param>
/// <param name="Sign">ECDSA of a digest of 32 bytes: r and s, 64 bytes.</param>
internal sealed record ReviewSigner(
    Func<CancellationToken, ValueTask<byte[]>> PublicKey, Func<ReadOnlyMemory<byte>, CancellationToken, ValueTask<byte[]>> Sign)
{
    private const string Label = "reviews";

    public static ReviewSigner Of(HsmToken token) => new(
        cancellationToken => token.GetSigningKeyAsync(Label, cancellationToken), (digest, cancellationToken) => token.SignAsync(Label, digest, cancellationToken));

    public async Task<NoteVerifier> VerifierAsync(string origin, CancellationToken cancellationToken) =>
        NoteVerifier.Create(origin, NoteAlgorithm.Ecdsa, await PublicKey(cancellationToken));

    public async Task<SignedNote> SignAsync(string origin, string text, CancellationToken cancellationToken) => EcdsaNoteSignature.Sign(
        text, await VerifierAsync(origin, cancellationToken), await Sign(EcdsaNoteSignature.Digest(text), cancellationToken));
}
