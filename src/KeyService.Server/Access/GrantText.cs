using System.Buffers.Text;
using KeyService.Crypto;

namespace KeyService.Server.Access;

/// <summary>
/// What a grant gives, as the column <c>grants.permissions</c> has it (docs/spec/grant-terms.md): names of permissions ascending by number, then
/// <c>role:</c> names ascending, joined by commas. A grant that a plain context cannot narrow has <c>if:</c> before each of them and ends with
/// <c>terms:</c> and the terms in base64url. A server that does not know this form takes all of it for names of later permissions: it allows nothing by the
/// grant and keeps its bytes.
/// </summary>
internal sealed record GrantText(IReadOnlyList<Permission> Permissions, IReadOnlyList<string> LaterPermissions, IReadOnlyList<Role> Roles, GrantTerms? Terms)
{
    private const string Conditional = "if:";
    private const string TermsPrefix = "terms:";

    public static string Of(Grant grant)
    {
        var terms = TermsOf(grant);
        return new GrantText(grant.Permissions, grant.LaterPermissions, grant.Roles, terms.IsPlain ? null : terms).ToString();
    }

    /// <summary>What stands in <c>grants.context_constraint</c>: exact pairs that are all there is, else the empty context.</summary>
    public static EncryptionContext PlainConstraintOf(Grant grant) =>
        TermsOf(grant).IsPlain ? grant.ContextConstraint.ExactPairs() : EncryptionContext.Empty;

    /// <summary>False for an order of permissions that no version writes; <paramref name="unknown"/> is then the name at fault.</summary>
    public static bool TryParse(string column, out GrantText text, out string unknown)
    {
        var names = column.Split(',');
        GrantTerms? terms = null;
        var isConditional = names.Length > 1 && names[^1].StartsWith(TermsPrefix, StringComparison.Ordinal)
            && names[..^1].All(name => name.StartsWith(Conditional, StringComparison.Ordinal)) && TryTerms(names[^1][TermsPrefix.Length..], out terms);
        text = Read(isConditional ? [.. names[..^1].Select(name => name[Conditional.Length..])] : names, terms, out unknown);
        // Terms of a later form, a later role, or whatever else would not be written as it stands: nothing of it is allowed, and it is kept.
        if (unknown.Length == 0 && (text.ToString() != column || (terms is null && names[^1].StartsWith(TermsPrefix, StringComparison.Ordinal))))
        {
            text = new GrantText([], names, [], Terms: null);
        }

        return unknown.Length == 0;
    }

    /// <summary>The column.</summary>
    public override string ToString()
    {
        var names = Permissions.Select(Access.Permissions.NameOf).Concat(LaterPermissions).Concat(Roles.Select(role => Role.RowPrefix + role.Name));
        return string.Join(',', Terms is null ? names : names.Select(name => Conditional + name).Append(TermsPrefix + Base64Url.EncodeToString(Terms.Encode())));
    }

    private static GrantText Read(string[] names, GrantTerms? terms, out string unknown)
    {
        var permissions = new List<Permission>();
        var later = new List<string>();
        var roles = new List<Role>();
        unknown = "";
        foreach (var name in names)
        {
            if (name.StartsWith(Role.RowPrefix, StringComparison.Ordinal) && Role.Find(name[Role.RowPrefix.Length..]) is { } role)
            {
                roles.Add(role);
            }
            else if (!Access.Permissions.TryParse(name, out var permission))
            {
                later.Add(name);
            }
            else
            {
                // New permissions have higher numbers. In another order the row could not be written back as it is.
                unknown = later.Count == 0 || unknown.Length > 0 ? unknown : later[0];
                permissions.Add(permission);
            }
        }

        return new GrantText(permissions, later, roles, terms);
    }

    private static GrantTerms TermsOf(Grant grant) => GrantTerms.Create(grant.ContextConstraint, grant.Quotas);

    private static bool TryTerms(string encoded, out GrantTerms? terms)
    {
        terms = null;
        if (!Base64Url.IsValid(encoded, out var length))
        {
            return false;
        }

        var bytes = new byte[length];
        // Padding and stray bits decode as well: only the text that would be written is taken.
        if (!Base64Url.TryDecodeFromChars(encoded, bytes, out var written) || written != length || Base64Url.EncodeToString(bytes) != encoded
            || !GrantTerms.TryParse(bytes, out var parsed))
        {
            return false;
        }

        terms = parsed;
        return true;
    }
}
