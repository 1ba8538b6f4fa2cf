using System.CommandLine;
using System.Globalization;
using Google.Protobuf.WellKnownTypes;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using KeyService.Client.Internal;
using KeyService.Protocol.V1;

namespace KeyService.Cli.Audit;

/// <summary><c>keyservice audit search</c></summary>
internal static class AuditSearchCommand
{
    private static readonly Option<string?> Principal = new("--principal") { Description = "Who called", HelpName = "NAME" };

    private static readonly Option<string?> Key = new("--key") { Description = "The key that was named", HelpName = "KEY" };

    private static readonly Option<string[]> Event = new("--event")
    {
        Description = "What happened, for example key-rotated; may be given several times",
        HelpName = "EVENT",
    };

    private static readonly Option<AuditType?> Type = EnumOption<AuditType>("--type", "Instead of --event: every event of a type");

    private static readonly Option<AuditOutcome?> Outcome = EnumOption<AuditOutcome>("--outcome", "How it ended");

    private static readonly Option<string?> Since = new("--since") { Description = "Not before: a UTC time, or how long ago (90m, 12h, 30d)", HelpName = "TIME" };

    private static readonly Option<string?> Until = new("--until") { Description = "Before: a UTC time, or how long ago", HelpName = "TIME" };

    private static readonly Option<string[]> Context = new("--context", "-c")
    {
        Description = "The whole context that the call had, KEY=VALUE, once for each pair; with --key or --since, for no index has it",
        HelpName = "KEY=VALUE",
    };

    private static readonly Option<int> Limit = new("--limit")
    {
        Description = "How many records at most; 0 is all", HelpName = "COUNT", DefaultValueFactory = _ => 100,
    };

    public static Command Create() => new Command("search", "Look for records, the latest first")
    {
        Principal, Key, Event, Type, Outcome, Context, Since, Until, Limit,
    }.Runs(async run =>
    {
        var now = TimeProvider.System.GetUtcNow();
        var question = new SearchRequest
        {
            Principal = run.Get(Principal) ?? "",
            Key = run.Get(Key) ?? "",
            Type = run.Get(Type) ?? AuditType.Unspecified,
            Outcome = run.Get(Outcome) ?? AuditOutcome.Unspecified,
            StartTime = run.Get(Since) is { } since ? Timestamp.FromDateTimeOffset(ParseTime(since, now)) : null,
            EndTime = run.Get(Until) is { } until ? Timestamp.FromDateTimeOffset(ParseTime(until, now)) : null,
            Context = Contexts.ToMessage(ContextPairs.Parse(run.Get(Context) ?? [])),
        };
        question.Events.AddRange(run.Get(Event) ?? []);
        using var client = run.Connect();
        var limit = run.Required(Limit);
        var shown = 0;
        await foreach (var record in client.Audit.SearchAsync(question, run.Cancellation).ConfigureAwait(false))
        {
            run.Report.WriteLine(AuditRecords.Of(record), AuditRecords.Line(record));
            if (++shown == limit)
            {
                break;
            }
        }

        if (shown == 0 && !run.Json && !run.Quiet)
        {
            await Console.Error.WriteLineAsync("No record has all of this.").ConfigureAwait(false);
        }
    });

    /// <summary>A UTC time (2026-11-28, 2026-11-28T20:00:00Z), or a time before now (90m, 12h, 30d).</summary>
    /// <exception cref="CliError">It is neither.</exception>
    internal static DateTimeOffset ParseTime(string text, DateTimeOffset now)
    {
        var unit = text.Length > 1 ? text[^1] switch { 'm' => TimeSpan.FromMinutes(1), 'h' => TimeSpan.FromHours(1), 'd' => TimeSpan.FromDays(1), _ => TimeSpan.Zero } : TimeSpan.Zero;
        if (unit > TimeSpan.Zero && int.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count <= 100_000)
        {
            return now - (unit * count);
        }

        return DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var time)
            ? time
            : throw CliError.Usage($"\"{text}\" is not a time.", "Write a UTC time (2026-11-28, 2026-11-28T20:00:00Z) or how long ago (90m, 12h, 30d).");
    }

    private static Option<T?> EnumOption<T>(string name, string description) where T : struct, System.Enum => new(name)
    {
        Description = $"{description}: {string.Join(", ", System.Enum.GetValues<T>().Skip(1).Select(value => EnumNames.Of(value)))}",
        HelpName = "NAME",
        CustomParser = result =>
        {
            foreach (var value in System.Enum.GetValues<T>().Skip(1))
            {
                if (EnumNames.Of(value) == result.Tokens[0].Value)
                {
                    return value;
                }
            }

            result.AddError($"{name}: \"{result.Tokens[0].Value}\" is none of {string.Join(", ", System.Enum.GetValues<T>().Skip(1).Select(value => EnumNames.Of(value)))}.");
            return null;
        },
    };
}
