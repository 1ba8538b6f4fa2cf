using System.CommandLine;
using System.Globalization;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using KeyService.Crypto;

namespace KeyService.Cli.Access;

/// <summary><c>keyservice grant …</c></summary>
internal static class GrantCommands
{
    public static Command Create() => new("grant", "Give, list and take back permissions") { New(), List(), Revoke() };

    private static Command New()
    {
        var principal = new Argument<string>("PRINCIPAL") { Description = "Who is given the permissions" };
        var key = new Option<string>("--key", "-k")
        {
            Description = "Name of a key, a prefix that ends with /*, or * for all",
            HelpName = "PATTERN",
            Required = true,
        };
        var permissions = new Option<string?>("--permissions")
        {
            Description = "Comma-separated: generate-data-key, unwrap-data-key, rewrap-data-key, encrypt, decrypt, reencrypt, "
                + "create-key, read-key, rotate-key, administer-access, read-access, read-audit, read-system, read-alarms, acknowledge-alarm",
            HelpName = "LIST",
        };
        var roles = new Option<string[]>("--role")
        {
            Description = "A role's permissions, once for each: data-user, backup-job, key-administrator, security-officer, auditor, access-manager, ai-system",
            HelpName = "ROLE",
            DefaultValueFactory = _ => [],
        };
        var context = GlobalOptions.Context();
        context.Description = "Pairs that the request's context must hold; a key given more than once may have any of the values";
        var prefixes = new Option<string[]>("--context-prefix")
        {
            Description = "What the value of a context's key must begin with; ends with one of / : . | #",
            HelpName = "KEY=PREFIX",
            DefaultValueFactory = _ => [],
        };
        var quotas = new Option<string[]>("--quota")
        {
            Description = "How much may be done, once for each: calls, items or bytes, an hour or a day, for example items/day=10000",
            HelpName = "MEASURE/WINDOW=LIMIT",
            DefaultValueFactory = _ => [],
        };
        var expires = new Option<string?>("--expires")
        {
            Description = "End: 30d, 12h, or a time such as 2027-01-31T00:00:00Z; never when absent",
            HelpName = "WHEN",
        };
        var requestId = GlobalOptions.RequestId();
        return new Command("create", "Give permissions on keys to a principal")
        {
            principal, key, permissions, roles, context, prefixes, quotas, expires, requestId,
        }.Runs(async run =>
        {
            var list = (run.Get(permissions) ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            var named = run.Get(roles) ?? [];
            if (list.Length == 0 && named.Length == 0)
            {
                throw CliError.Usage("A grant gives a permission or a role.", "Give --permissions LIST, --role ROLE, or both.");
            }
            var end = run.Get(expires) is { } text ? ParseEnd(text, TimeProvider.System.GetUtcNow()) : (DateTimeOffset?)null;
            var terms = GrantTermsOf(run.Get(context) ?? [], run.Get(prefixes) ?? [], run.Get(quotas) ?? []);
            using var client = run.Connect();
            run.Report.Write(AccessRecords.Of(await client.Access.CreateGrantAsync(
                run.Get(principal), list, run.Required(key), terms, end, named, run.Get(requestId), run.Cancellation).ConfigureAwait(false)));
        });
    }

    private static Command List()
    {
        var principal = new Option<string>("--principal") { Description = "Only of this principal", HelpName = "NAME", DefaultValueFactory = _ => "" };
        return new Command("list", "List grants") { principal }.Runs(async run =>
        {
            using var client = run.Connect();
            await run.Report.WriteListAsync(
                client.Access.ListGrantsAsync(run.Required(principal), run.Cancellation).Select(AccessRecords.Of),
                "No grants.", run.Cancellation).ConfigureAwait(false);
        });
    }

    private static Command Revoke()
    {
        var id = new Argument<string>("ID") { Description = "Id of the grant, 16 hexadecimal digits" };
        var requestId = GlobalOptions.RequestId();
        return new Command("revoke", "Take a grant back") { id, requestId }.Runs(async run =>
        {
            using var client = run.Connect();
            run.Report.Write(AccessRecords.Of(
                await client.Access.RevokeGrantAsync(run.Get(id), run.Get(requestId), run.Cancellation).ConfigureAwait(false)));
        });
    }

    private static GrantTerms GrantTermsOf(string[] context, string[] prefixes, string[] quotas)
    {
        var rules = context.Select(ContextPairs.ParsePair).GroupBy(pair => pair.Key, pair => pair.Value, StringComparer.Ordinal)
            .Select(values => ContextRule.OneOf(values.Key, values))
            .Concat(prefixes.Select(ContextPairs.ParsePair).Select(pair => ContextRule.Prefix(pair.Key, pair.Value)));
        return GrantTerms.Create(ContextConstraint.Create(rules), quotas.Select(text => Quota.TryParse(text, out var quota)
            ? quota
            : throw CliError.Usage($"\"{text}\" is not a quota.", "Write calls, items or bytes, an hour or a day: items/day=10000.")));
    }

    internal static DateTimeOffset ParseEnd(string text, DateTimeOffset now)
    {
        if (text.Length > 1 && int.TryParse(text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var count)
            && count is > 0 and < 100_000)
        {
            switch (text[^1])
            {
                case 'd': return now.AddDays(count);
                case 'h': return now.AddHours(count);
            }
        }
        return DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var end)
            ? end
            : throw CliError.Usage($"\"{text}\" is not a time.", "Write 30d, 12h or 2027-01-31T00:00:00Z.");
    }
}
