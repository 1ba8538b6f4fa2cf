using System.CommandLine;
using System.Globalization;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;

namespace KeyService.Cli.Access;

/// <summary><c>keyservice grant …</c></summary>
internal static class GrantCommands
{
    public static Command Create() => new("grant", "Give, list and take back permissions") { New(), List(), Revoke() };

    private static Command New()
    {
        var principal = new Argument<string>("PRINCIPAL") { Description = "Who is given the permissions" };
        var options = new GrantOptions();
        var requestId = GlobalOptions.RequestId();
        return new Command("create", "Give permissions on keys to a principal")
        {
            principal, options.Key, options.Permissions, options.Roles, options.Context, options.Prefixes, options.Quotas, options.Expires, requestId,
        }.Runs(async run =>
        {
            var (list, named, terms, end) = options.Read(run);
            using var client = run.Connect();
            run.Report.Write(AccessRecords.Of(await client.Access.CreateGrantAsync(
                run.Get(principal), list, run.Required(options.Key), terms, end, named, run.Get(requestId), run.Cancellation).ConfigureAwait(false)));
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
