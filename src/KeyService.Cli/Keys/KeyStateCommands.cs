using System.CommandLine;
using System.Globalization;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using KeyService.Protocol.V1;

namespace KeyService.Cli.Keys;

/// <summary><c>keyservice key suspend</c>, <c>resume</c>, <c>deactivate</c>, <c>compromise</c> and <c>history</c>.</summary>
internal static class KeyStateCommands
{
    public static Command Suspend()
    {
        var stop = new Option<bool>("--stop-decryption")
        {
            Description = "It does not decrypt either: what it protected cannot be read until it is resumed",
        };
        return Change(
            "suspend", "Stop encrypting under a key until it is resumed; decryption goes on unless told otherwise", KeyState.Suspended, stop: stop);
    }

    public static Command Resume() => Change("resume", "Let a suspended key encrypt again", KeyState.Active);

    public static Command Deactivate() => Change(
        "deactivate", "End encrypting under a version for good; it goes on decrypting", KeyState.Deactivated);

    public static Command Compromise()
    {
        var since = new Option<string?>("--suspected-since")
        {
            Description = "Since when it may have been known to others, for example 2026-11-20T08:00:00Z (since it was made)",
            HelpName = "TIME",
        };
        return Change(
            "compromise", "Declare a version compromised: it encrypts nothing more, and the next one takes its place", KeyState.Compromised, since: since);
    }

    public static Command History()
    {
        var name = KeyCommands.Name();
        var version = new Option<string?>("--version") { Description = "Which version (the newest that is in use)", HelpName = "ID" };
        return new Command("history", "List every change of a version's state: when, by whom, why") { name, version }.Runs(async run =>
        {
            using var client = run.Connect();
            var id = run.Get(version) ?? (await client.Keys.GetAsync(run.Get(name), run.Cancellation).ConfigureAwait(false)).Primary.Id;
            var transitions = await client.Keys.ListTransitionsAsync(run.Get(name), id, run.Cancellation).ConfigureAwait(false);
            await run.Report.WriteListAsync(
                transitions.Select(Of).ToAsyncEnumerable(), "No changes were recorded: the version is older than this record.", run.Cancellation)
                .ConfigureAwait(false);
        });
    }

    private static Command Change(string verb, string description, KeyState state, Option<bool>? stop = null, Option<string?>? since = null)
    {
        var name = KeyCommands.Name();
        var version = new Option<string?>("--version") { Description = "Which version (the newest that is in use)", HelpName = "ID" };
        var reason = new Option<string>("--reason") { Description = "Why; goes into the record. No patient data", HelpName = "TEXT", Required = true };
        var requestId = GlobalOptions.RequestId();
        var command = new Command(verb, description) { name, version, reason, requestId };
        if (stop is not null)
        {
            command.Add(stop);
        }
        if (since is not null)
        {
            command.Add(since);
        }
        return command.Runs(async run =>
        {
            using var client = run.Connect();
            var response = await client.Keys.ChangeStateAsync(
                run.Get(name), state, run.Required(reason), run.Get(version), since is null ? null : TimeOf(run.Get(since)),
                stop is not null && run.Get(stop), run.Get(requestId), run.Cancellation).ConfigureAwait(false);
            run.Report.Write(KeyRecords.Of(response.Version));
            if (state == KeyState.Compromised && !run.Quiet)
            {
                await WriteNextStepsAsync(run, response).ConfigureAwait(false);
            }
        });
    }

    private static async Task WriteNextStepsAsync(Invocation run, ChangeKeyVersionStateResponse response)
    {
        var next = response.Key.Primary.State == KeyState.Active
            ? $"Version {response.Key.Primary.Id} protects in its place."
            : "No version could take its place yet, so the key encrypts nothing: keyservice rotation status says why.";
        await Console.Error.WriteLineAsync(
            $"{next}\nNext: keyservice key impact {response.Key.Name}   who uses it, what depends on it\n"
            + $"      keyservice campaign start NAME --key {response.Key.Name} --kind reencrypt   encrypt anew what it protected").WaitAsync(run.Cancellation)
            .ConfigureAwait(false);
    }

    private static DateTimeOffset? TimeOf(string? text) => text is null ? null
        : DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time
        : throw CliError.Usage($"\"{text}\" is not a time.", "Write it like 2026-11-20T08:00:00Z.");

    private static Record Of(KeyTransition transition) => new()
    {
        ["number"] = transition.Number,
        ["time"] = Times.Of(transition.Time),
        ["from"] = transition.From == KeyState.Unspecified ? null : EnumNames.Of(transition.From),
        ["to"] = EnumNames.Of(transition.To),
        ["changed_by"] = transition.ChangedBy,
        ["reason"] = transition.Reason,
    };
}
