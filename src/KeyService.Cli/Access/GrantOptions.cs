using System.CommandLine;
using KeyService.Cli.CommandLine;
using KeyService.Crypto;

namespace KeyService.Cli.Access;

/// <summary>What a grant gives, as options: of <c>grant create</c> and <c>access move</c>.</summary>
internal sealed class GrantOptions
{
    public Option<string> Key { get; } = new("--key", "-k")
    {
        Description = "Name of a key, a prefix that ends with /*, or * for all",
        HelpName = "PATTERN",
        Required = true,
    };

    public Option<string?> Permissions { get; } = new("--permissions")
    {
        Description = "Comma-separated: generate-data-key, unwrap-data-key, rewrap-data-key, encrypt, decrypt, reencrypt, "
            + "create-key, read-key, rotate-key, administer-access, read-access, attest-access, read-audit, read-system, read-alarms, acknowledge-alarm",
        HelpName = "LIST",
    };

    public Option<string[]> Roles { get; } = new("--role")
    {
        Description = "A role's permissions, once for each: data-user, backup-job, key-administrator, security-officer, auditor, access-manager, ai-system",
        HelpName = "ROLE",
        DefaultValueFactory = _ => [],
    };

    public Option<string[]> Context { get; } = new("--context", "-c")
    {
        Description = "Pairs that the request's context must hold; a key given more than once may have any of the values",
        HelpName = "KEY=VALUE",
        DefaultValueFactory = _ => [],
    };

    public Option<string[]> Prefixes { get; } = new("--context-prefix")
    {
        Description = "What the value of a context's key must begin with; ends with one of / : . | #",
        HelpName = "KEY=PREFIX",
        DefaultValueFactory = _ => [],
    };

    public Option<string[]> Quotas { get; } = new("--quota")
    {
        Description = "How much may be done, once for each: calls, items or bytes, an hour or a day, for example items/day=10000",
        HelpName = "MEASURE/WINDOW=LIMIT",
        DefaultValueFactory = _ => [],
    };

    public Option<string?> Expires { get; } = new("--expires")
    {
        Description = "End: 30d, 12h, or a time such as 2027-01-31T00:00:00Z; never when absent",
        HelpName = "WHEN",
    };

    public (string[] Permissions, string[] Roles, GrantTerms Terms, DateTimeOffset? End) Read(Invocation run)
    {
        var list = (run.Get(Permissions) ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        var named = run.Get(Roles) ?? [];
        if (list.Length == 0 && named.Length == 0)
        {
            throw CliError.Usage("A grant gives a permission or a role.", "Give --permissions LIST, --role ROLE, or both.");
        }
        var end = run.Get(Expires) is { } text ? GrantCommands.ParseEnd(text, TimeProvider.System.GetUtcNow()) : (DateTimeOffset?)null;
        return (list, named, TermsOf(run), end);
    }

    private GrantTerms TermsOf(Invocation run)
    {
        var rules = (run.Get(Context) ?? []).Select(ContextPairs.ParsePair).GroupBy(pair => pair.Key, pair => pair.Value, StringComparer.Ordinal)
            .Select(values => ContextRule.OneOf(values.Key, values))
            .Concat((run.Get(Prefixes) ?? []).Select(ContextPairs.ParsePair).Select(pair => ContextRule.Prefix(pair.Key, pair.Value)));
        return GrantTerms.Create(ContextConstraint.Create(rules), (run.Get(Quotas) ?? []).Select(text => Quota.TryParse(text, out var quota)
            ? quota
            : throw CliError.Usage($"\"{text}\" is not a quota.", "Write calls, items or bytes, an hour or a day: items/day=10000.")));
    }
}
