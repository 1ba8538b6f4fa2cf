using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using KeyService.Server.Access;

namespace KeyService.Server.AccessReviews;

/// <summary>
/// What a principal holds, as one text that only that is (docs/spec/access-review.md): a manager attests its SHA-256, and so just what was shown.
/// </summary>
internal static class AccessStatement
{
    private const string FirstLine = "keyservice/access/v1";
    private const string Never = "-";

    /// <summary>Grants that count now, ascending by id.</summary>
    public static IReadOnlyList<Grant> InForce(Principal principal, IEnumerable<Grant> grants, DateTimeOffset now) =>
        [.. grants.Where(grant => grant.IsEffective(now) && AiSystems.Honours(principal, grant)).OrderBy(grant => grant.Id)];

    /// <summary>SHA-256 of <see cref="TextOf"/>, 32 bytes.</summary>
    public static byte[] DigestOf(Principal principal, IEnumerable<Grant> grants, DateTimeOffset now) =>
        SHA256.HashData(Encoding.UTF8.GetBytes(TextOf(principal, grants, now)));

    public static string TextOf(Principal principal, IEnumerable<Grant> grants, DateTimeOffset now)
    {
        var text = new StringBuilder();
        text.Append(FirstLine).Append('\n')
            .Append("principal ").Append(principal.Name).Append('\n')
            .Append("type ").Append(PrincipalTypes.NameOf(principal.Type)).Append('\n')
            .Append("credential ").Append(KebabName.Of(principal.Credential.Kind.ToString())).Append(' ').Append(principal.Credential.Value).Append('\n');
        foreach (var grant in InForce(principal, grants, now))
        {
            // The columns of the grant's own row: whatever is granted stands in them.
            var row = GrantRow.Of(grant);
            text.Append("grant ").Append(row.IdText).Append(' ').Append(row.KeyPattern).Append(' ')
                .Append(row.ExpiresAt is { } end ? end.ToString(CultureInfo.InvariantCulture) : Never).Append(' ')
                .Append(row.Permissions).Append(' ').Append(Convert.ToHexStringLower(row.ContextConstraint)).Append('\n');
        }

        return text.ToString();
    }
}
