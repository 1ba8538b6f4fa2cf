using System.CommandLine;
using System.Globalization;
using Google.Protobuf.WellKnownTypes;
using KeyService.Cli.Access;
using KeyService.Cli.CommandLine;
using KeyService.Protocol.V1;

namespace KeyService.Cli.Campaigns;

/// <summary><c>keyservice holding …</c></summary>
internal static class HoldingCommands
{
    private static readonly OrderedDictionary<string, HoldingKind> Kinds = new(StringComparer.Ordinal)
    {
        ["postgres-column"] = HoldingKind.PostgresColumn,
        ["sdk-key-table"] = HoldingKind.SdkKeyTable,
        ["archive-directory"] = HoldingKind.ArchiveDirectory,
        ["external"] = HoldingKind.External,
    };

    private static readonly OrderedDictionary<string, ColumnContent> Contents = new(StringComparer.Ordinal)
    {
        ["wrapped-keys"] = ColumnContent.WrappedKeys,
        ["field-tokens"] = ColumnContent.FieldTokens,
    };

    private static readonly OrderedDictionary<string, DataKeyUse> Uses = new(StringComparer.Ordinal)
    {
        ["general"] = DataKeyUse.General,
        ["field"] = DataKeyUse.Field,
        ["archive"] = DataKeyUse.Archive,
        ["blind-index"] = DataKeyUse.BlindIndex,
    };

    public static Command Create() => new("holding", "Register where wrapped keys, tokens and archives live, and tell what is there")
    {
        Register(), List(), Get(), Report(), Retire(),
    };

    private static Command Register()
    {
        var name = Name();
        var kind = new Option<string>("--kind") { Description = $"What it is: {string.Join(", ", Kinds.Keys)}", HelpName = "KIND", Required = true };
        kind.AcceptOnlyFromAmong([.. Kinds.Keys]);
        var key = new Option<string>("--key", "-k")
        {
            Description = "The keys that it may hold something of: a name, a prefix that ends with /*, or *",
            HelpName = "PATTERN",
            Required = true,
        };
        var owner = new Option<string>("--owner") { Description = "The principal that will report it", HelpName = "PRINCIPAL", Required = true };
        var location = new Option<string>("--location") { Description = "Where it is, for people; no secret", HelpName = "TEXT", Required = true };
        var writeOnce = new Option<string?>("--write-once-until")
        {
            Description = "Nothing in it can be changed before: 3650d, or a time such as 2033-01-31T00:00:00Z",
            HelpName = "WHEN",
        };
        var table = new Option<string?>("--table", "-t") { Description = "Table, as SCHEMA.TABLE, names as the catalogue has them", HelpName = "TABLE" };
        var column = new Option<string?>("--column") { Description = "Column", HelpName = "NAME" };
        var content = new Option<string>("--content")
        {
            Description = $"What the column holds: {string.Join(", ", Contents.Keys)}",
            HelpName = "CONTENT",
            DefaultValueFactory = _ => Contents.Keys.First(),
        };
        content.AcceptOnlyFromAmong([.. Contents.Keys]);
        var use = new Option<string>("--use")
        {
            Description = $"What the wrapped keys are for: {string.Join(", ", Uses.Keys)}",
            HelpName = "USE",
            DefaultValueFactory = _ => Uses.Keys.First(),
        };
        use.AcceptOnlyFromAmong([.. Uses.Keys]);
        var subject = new Option<string?>("--subject-column") { Description = "Column with the 16-byte subject id", HelpName = "NAME" };
        var context = GlobalOptions.Context();
        context.Description = "Pairs of the context that are the same in every row, once for each";
        var contextColumn = new Option<string[]>("--context-column")
        {
            Description = "Pairs of the context whose value stands in a column, once for each",
            HelpName = "KEY=COLUMN",
            DefaultValueFactory = _ => [],
        };
        var requestId = GlobalOptions.RequestId();
        return new Command("register", "Say that something of keys lives somewhere")
        {
            name, kind, key, owner, location, writeOnce, table, column, content, use, subject, context, contextColumn, requestId,
        }.WithNotes("""
            Examples:
              keyservice holding register labs --kind postgres-column --key ehr/labs --owner ehr --location 'table labs of the EHR' \
                --table public.labs --column wrapped_key --context tenant=st-mary --context-column patient=patient_id
              keyservice holding register dumps --kind archive-directory --key ehr-backup --owner backup --location 'vault 2, /srv/backup'

            How a machine reaches it is not said here, but to the command that works there (campaign run --at).
            """).Runs(async run =>
        {
            var holding = new Holding
            {
                Name = run.Get(name),
                Kind = Kinds[run.Required(kind)],
                KeyPattern = run.Required(key),
                Owner = run.Required(owner),
                Location = run.Required(location),
                WriteOnceUntil = run.Get(writeOnce) is { } end
                    ? Timestamp.FromDateTimeOffset(GrantCommands.ParseEnd(end, TimeProvider.System.GetUtcNow()))
                    : null,
                Postgres = run.Get(table) is { } named
                    ? Column(named, Kinds[run.Required(kind)], run.Get(column), Contents[run.Required(content)], Uses[run.Required(use)], run.Get(subject))
                    : null,
            };
            holding.Postgres?.Context.AddRange(run.Get(context)!.Select(pair => Pair(pair, value: true))
                .Concat(run.Get(contextColumn)!.Select(pair => Pair(pair, value: false))));
            using var client = run.Connect();
            run.Report.Write(HoldingRecords.Of(
                await client.Holdings.RegisterAsync(holding, run.Get(requestId), run.Cancellation).ConfigureAwait(false)));
        });
    }

    private static Command List()
    {
        var key = new Option<string>("--key", "-k")
        {
            Description = "Only those that may hold something of this key", HelpName = "NAME", DefaultValueFactory = _ => "",
        };
        return new Command("list", "List holdings") { key }.Runs(async run =>
        {
            using var client = run.Connect();
            await run.Report.WriteListAsync(
                client.Holdings.ListAsync(run.Required(key), run.Cancellation).Select(HoldingRecords.Of), "No holdings.", run.Cancellation)
                .ConfigureAwait(false);
        });
    }

    private static Command Get()
    {
        var name = Name();
        return new Command("get", "Show a holding with what was reported of it") { name }.Runs(async run =>
        {
            using var client = run.Connect();
            run.Report.Write(HoldingRecords.Of(await client.Holdings.GetAsync(run.Get(name), run.Cancellation).ConfigureAwait(false)));
        });
    }

    private static Command Report()
    {
        var name = Name();
        var begin = new Option<bool>("--begin") { Description = "A scan begins now; its id is answered" };
        var scan = new Option<string?>("--complete") { Description = "The scan of this id saw everything", HelpName = "SCAN" };
        var counts = new Option<string[]>("--count")
        {
            Description = "How many items stand under a version, once for each", HelpName = "VERSION=N", DefaultValueFactory = _ => [],
        };
        var unknown = new Option<long>("--unknown") { Description = "Items that name no version", HelpName = "N" };
        return new Command("report", "Tell what a holding of your own holds") { name, begin, scan, counts, unknown }.WithNotes("""
            For a holding of kind external, of which only its owner can tell:
              scan=$(keyservice holding report tapes --begin --json | jq -r .scan_id)
              … count what is there …
              keyservice holding report tapes --complete "$scan" --count 9f0c5e626c1b4a0f=12

            A scan counts from its --begin. What --complete does not name is not there; without --begin and --complete the counts are of a part,
            and can only add to what is known.
            """).Runs(async run =>
        {
            if (run.Get(begin) && run.Get(scan) is not null)
            {
                throw CliError.Usage("--begin and --complete are two reports.", "Begin first, look, and complete with the id that --begin answered.");
            }
            var report = new ReportHoldingRequest
            {
                Name = run.Get(name),
                Phase = run.Get(begin) ? ScanPhase.Begin : run.Get(scan) is null ? ScanPhase.Progress : ScanPhase.Complete,
                ScanId = run.Get(scan) ?? "",
                UnknownItems = run.Get(unknown),
            };
            report.Counts.AddRange(run.Get(counts)!.Select(Count));
            using var client = run.Connect();
            var answer = await client.Holdings.ReportAsync(report, cancellation: run.Cancellation).ConfigureAwait(false);
            var record = HoldingRecords.Of(answer.Holding);
            record["scan_id"] = answer.ScanId.Length > 0 ? answer.ScanId : null;
            run.Report.Write(record);
        });
    }

    private static Command Retire()
    {
        var name = Name();
        var reason = new Option<string>("--reason") { Description = "Why", HelpName = "TEXT", Required = true };
        var requestId = GlobalOptions.RequestId();
        return new Command("retire", "Say that a holding is gone, or holds nothing of the service any more") { name, reason, requestId }.Runs(async run =>
        {
            using var client = run.Connect();
            run.Report.Write(HoldingRecords.Of(await client.Holdings.RetireAsync(
                run.Get(name), run.Required(reason), run.Get(requestId), run.Cancellation).ConfigureAwait(false)));
        });
    }

    private static PostgresColumn Column(string table, HoldingKind kind, string? column, ColumnContent content, DataKeyUse use, string? subject)
    {
        var dot = table.IndexOf('.', StringComparison.Ordinal);
        if (dot < 1)
        {
            throw CliError.Usage("--table is not of the form SCHEMA.TABLE.", "Write for example --table public.labs.");
        }
        var named = new PostgresColumn { Schema = table[..dot], Table = table[(dot + 1)..] };
        if (kind == HoldingKind.PostgresColumn)
        {
            named.Column = column ?? throw CliError.Usage("The column is missing.", "Name it: --column NAME.");
            named.Content = content;
            named.Use = content == ColumnContent.WrappedKeys ? use : DataKeyUse.Unspecified;
            named.SubjectColumn = subject ?? "";
        }
        return named;
    }

    private static ContextSource Pair(string argument, bool value)
    {
        var at = argument.IndexOf('=', StringComparison.Ordinal);
        if (at < 1)
        {
            throw CliError.Usage("A context pair is not of the form KEY=VALUE.", "Write for example --context tenant=st-mary --context-column patient=patient_id.");
        }
        return value
            ? new ContextSource { Key = argument[..at], Value = argument[(at + 1)..] }
            : new ContextSource { Key = argument[..at], Column = argument[(at + 1)..] };
    }

    private static VersionCount Count(string argument)
    {
        var at = argument.IndexOf('=', StringComparison.Ordinal);
        return at > 0 && long.TryParse(argument[(at + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var items)
            ? new VersionCount { KeyVersion = argument[..at], Items = items }
            : throw CliError.Usage("--count is not of the form VERSION=N.", "Write for example --count 9f0c5e626c1b4a0f=12.");
    }

    private static Argument<string> Name() => new("NAME") { Description = "Name of the holding: [a-z0-9._-], grouped by /" };
}
