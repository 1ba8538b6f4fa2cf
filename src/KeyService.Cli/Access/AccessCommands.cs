using System.CommandLine;
using KeyService.Cli.AccessReviews;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using KeyService.Protocol.V1;

namespace KeyService.Cli.Access;

/// <summary><c>keyservice access …</c></summary>
internal static class AccessCommands
{
    private const int MaxLeavers = 1000;

    public static Command Create() => new("access", "Show who may do what and why; movers, leavers, reviews")
    {
        Matrix(), Explain(), Move(), Leavers(), Compare(), AccessReviewCommands.Create(),
    };

    private static Command Matrix()
    {
        var principal = new Option<string>("--principal") { Description = "Only of this principal", HelpName = "NAME", DefaultValueFactory = _ => "" };
        var csv = new Option<bool>("--csv") { Description = "Write CSV (RFC 4180) with a header" };
        return new Command("matrix", "List everything that everybody may do now") { principal, csv }.Runs(async run =>
        {
            using var client = run.Connect();
            var rows = client.Access.ListEffectiveAccessAsync(run.Required(principal), run.Cancellation).Select(Of);
            if (!run.Get(csv))
            {
                await run.Report.WriteListAsync(rows, "Nobody may do anything.", run.Cancellation).ConfigureAwait(false);
                return;
            }
            var first = true;
            await foreach (var row in rows.WithCancellation(run.Cancellation).ConfigureAwait(false))
            {
                run.Report.WriteText((first ? Csv.Header(row) : "") + Csv.Line(row));
                first = false;
            }
        });
    }

    private static Command Explain()
    {
        var principal = new Argument<string>("PRINCIPAL") { Description = "Whose access" };
        var permission = new Argument<string>("PERMISSION") { Description = "Name of the permission, for example decrypt" };
        var key = new Argument<string>("KEY")
        {
            Description = "Name of the key; none for what concerns no key", Arity = ArgumentArity.ZeroOrOne, DefaultValueFactory = _ => "",
        };
        var context = GlobalOptions.Context();
        context.Description = "The call's context, once for each pair";
        return new Command("explain", "Say whether something is allowed, and by what, or what is missing") { principal, permission, key, context }.Runs(async run =>
        {
            using var client = run.Connect();
            var answer = await client.Access.ExplainAccessAsync(
                run.Get(principal), run.Get(permission), run.Get(key) ?? "", ContextPairs.Parse(run.Get(context) ?? []), run.Cancellation).ConfigureAwait(false);
            run.Report.Write(new Record
            {
                ["allowed"] = answer.Allowed,
                ["reason"] = answer.Reason,
                ["grant"] = answer.Grant is null ? null : AccessRecords.Of(answer.Grant),
                ["near"] = answer.Near.Select(Of).ToList(),
            });
        });
    }

    private static Command Move()
    {
        var principal = new Argument<string>("PRINCIPAL") { Description = "Who changes role" };
        var options = new GrantOptions();
        options.Key.Required = false;
        var none = new Option<bool>("--none") { Description = "Take every grant back and give nothing" };
        var requestId = GlobalOptions.RequestId();
        return new Command("move", "Take every grant of a principal back and give a new one, at once")
        {
            principal, options.Key, options.Permissions, options.Roles, options.Context, options.Prefixes, options.Quotas, options.Expires, none, requestId,
        }.Runs(async run =>
        {
            var key = run.Get(options.Key);
            if (run.Get(none) == (key is not null))
            {
                throw CliError.Usage("A move gives a new grant or none.", "Give --key PATTERN with --role or --permissions, or --none.");
            }
            List<NewGrant> grants = [];
            if (key is not null)
            {
                var (list, named, terms, end) = options.Read(run);
                grants.Add(Client.AccessCalls.NewGrant(list, key, terms, end, named));
            }
            using var client = run.Connect();
            var report = await client.Access.MovePrincipalAsync(run.Get(principal), grants, run.Get(requestId), run.Cancellation).ConfigureAwait(false);
            run.Report.Write(new Record
            {
                ["principal"] = run.Get(principal),
                ["time"] = Times.Of(report.Time),
                ["revoked"] = report.Revoked.Select(AccessRecords.Of).ToList(),
                ["created"] = report.Created.Select(AccessRecords.Of).ToList(),
            });
        });
    }

    private static Command Leavers()
    {
        var roster = new Argument<string>("ROSTER") { Description = "CSV of the personnel office: principal,manager,left" };
        return new Command("leavers", "Report when those who left were disabled, and when they last called") { roster }.Runs(async run =>
        {
            var left = PersonnelRoster.Load(run.Get(roster)).Where(entry => entry.LeftTime is not null)
                .Select(entry => new Leaver { Principal = entry.Principal, LeftTime = Google.Protobuf.WellKnownTypes.Timestamp.FromDateTimeOffset(entry.LeftTime!.Value) });
            using var client = run.Connect();
            await run.Report.WriteListAsync(ReportsAsync(client, left, run.Cancellation), "Nobody left.", run.Cancellation).ConfigureAwait(false);
        });
    }

    private static Command Compare()
    {
        var roster = new Argument<string>("ROSTER") { Description = "CSV of the personnel office: principal,manager,left" };
        var findings = new Option<bool>("--findings") { Description = "Only where the two do not agree" };
        return new Command("compare", "Hold every active principal against the personnel office's list: orphans, leavers, managers") { roster, findings }.Runs(async run =>
        {
            var listed = PersonnelRoster.Load(run.Get(roster));
            using var client = run.Connect();
            var principals = await client.Access.ListPrincipalsAsync(run.Cancellation).ToListAsync(run.Cancellation).ConfigureAwait(false);
            var rows = RosterComparison.Compare(principals, listed, TimeProvider.System.GetUtcNow())
                .Where(row => row.Finding is not null || !run.Get(findings))
                .Select(row => new Record
                {
                    ["principal"] = row.Principal,
                    ["type"] = row.Type is { } type ? EnumNames.Of(type) : null,
                    ["manager"] = row.Manager.Length == 0 ? null : row.Manager,
                    ["finding"] = row.Finding,
                });
            await run.Report.WriteListAsync(rows.ToAsyncEnumerable(), "The two agree.", run.Cancellation).ConfigureAwait(false);
        });
    }

    private static async IAsyncEnumerable<Record> ReportsAsync(
        Client.KeyServiceClient client, IEnumerable<Leaver> leavers, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellation)
    {
        foreach (var some in leavers.Chunk(MaxLeavers))
        {
            foreach (var report in await client.Access.ReportLeaversAsync(some, cancellation).ConfigureAwait(false))
            {
                yield return new Record
                {
                    ["principal"] = report.Principal,
                    ["left_time"] = Times.Of(report.LeftTime),
                    ["state"] = !report.Registered ? "not registered" : report.Disabled ? "disabled" : "ACTIVE",
                    ["disable_time"] = Times.Of(report.DisableTime),
                    ["hours"] = report.DisableTime is null ? null : Math.Round((report.DisableTime.ToDateTimeOffset() - report.LeftTime.ToDateTimeOffset()).TotalHours, 1),
                    ["last_use_time"] = Times.Of(report.LastUseTime),
                    ["used_after_leaving"] = report.UsedAfterLeaving,
                };
            }
        }
    }

    private static Record Of(EffectiveAccess row) => new Record
    {
        ["principal"] = row.Principal,
        ["type"] = EnumNames.Of(row.PrincipalType),
        ["permission"] = row.Permission,
        ["key_pattern"] = row.Grant.KeyPattern,
        ["context"] = ConstraintOf(row.Grant),
        ["quotas"] = row.Grant.Quotas.Select(AccessRecords.TextOf).ToList(),
        ["expire_time"] = Times.Of(row.Grant.ExpireTime),
        ["through"] = row.Role.Length == 0 ? $"grant {row.Grant.Id}" : $"role {row.Role}, grant {row.Grant.Id}",
        ["refused"] = row.RefusedPair.Length == 0 ? null : row.RefusedPair,
    };

    private static Record Of(NearGrant near) => new()
    {
        ["grant"] = near.Grant.Id,
        ["lacks"] = near.Lacks.ToList(),
    };

    private static List<string> ConstraintOf(Grant grant) =>
        [.. (grant.ContextConstraint?.Entries ?? []).Select(entry => $"{entry.Key}={entry.Value}"), .. grant.ContextRules.Select(AccessRecords.TextOf)];
}
