using System.CommandLine;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Destruction;
using KeyService.Cli.Output;
using KeyService.Protocol.V1;

namespace KeyService.Cli.Keys;

/// <summary><c>keyservice key …</c></summary>
internal static class KeyCommands
{
    private static readonly OrderedDictionary<string, KeyPurpose> Purposes = new(StringComparer.Ordinal)
    {
        ["encrypt-decrypt"] = KeyPurpose.EncryptDecrypt,
        ["blind-index"] = KeyPurpose.BlindIndex,
    };

    public static Command Create() => new("key", "Create, list, rotate and suspend keys")
    {
        New(), Get(), List(), Rotate(), Policy(), Versions(), KeyStateCommands.Suspend(), KeyStateCommands.Resume(), KeyStateCommands.Deactivate(),
        KeyStateCommands.Compromise(), KeyStateCommands.History(), KeyImpactCommand.Create(),
        DestructionCommands.Destroy(),
    };

    private static Command New()
    {
        var name = Name();
        var days = new Option<int?>("--rotation-days") { Description = "Rotation period, 90 to 180 days (90)", HelpName = "DAYS" };
        var purpose = new Option<string>("--purpose")
        {
            Description = "What it is for, for good: encrypt-decrypt (data keys, fields, archives) or blind-index",
            HelpName = "PURPOSE",
            DefaultValueFactory = _ => Purposes.Keys.First(),
        };
        purpose.AcceptOnlyFromAmong([.. Purposes.Keys]);
        var requestId = GlobalOptions.RequestId();
        return new Command("create", "Make a key with its first version") { name, days, purpose, requestId }.Runs(async run =>
        {
            using var client = run.Connect();
            var period = run.Get(days) is { } count ? TimeSpan.FromDays(count) : (TimeSpan?)null;
            run.Report.Write(KeyRecords.Of(
                await client.Keys.CreateAsync(run.Get(name), period, run.Get(requestId), Purposes[run.Required(purpose)], run.Cancellation)
                    .ConfigureAwait(false)));
        });
    }

    private static Command Get()
    {
        var name = Name();
        return new Command("get", "Show a key") { name }.Runs(async run =>
        {
            using var client = run.Connect();
            run.Report.Write(KeyRecords.Of(await client.Keys.GetAsync(run.Get(name), run.Cancellation).ConfigureAwait(false)));
        });
    }

    private static Command List()
    {
        var prefix = new Option<string>("--prefix")
        {
            Description = "Only names that begin so",
            HelpName = "TEXT",
            DefaultValueFactory = _ => "",
        };
        return new Command("list", "List keys by name") { prefix }.Runs(async run =>
        {
            using var client = run.Connect();
            await run.Report.WriteListAsync(
                client.Keys.ListAsync(run.Required(prefix), run.Cancellation).Select(KeyRecords.Of),
                "No keys.", run.Cancellation).ConfigureAwait(false);
        });
    }

    private static Command Rotate()
    {
        var name = Name();
        var requestId = GlobalOptions.RequestId();
        return new Command("rotate", "Activate the next version now; older ones go on decrypting") { name, requestId }.Runs(async run =>
        {
            using var client = run.Connect();
            run.Report.Write(KeyRecords.Of(
                await client.Keys.RotateAsync(run.Get(name), run.Get(requestId), run.Cancellation).ConfigureAwait(false)));
        });
    }

    private static Command Policy()
    {
        var name = Name();
        var period = Days("--rotation-days", "Rotation period, 90 to 180 days");
        var limit = Days("--limit-days", "Age past which it encrypts nothing more, the period to 180 days");
        var warn = Days("--warn-days", "How long before a rotation it is looked at whether it can be done, 1 to 60 days");
        var requestId = GlobalOptions.RequestId();
        var command = new Command("policy", "Change when a key is rotated; what is left out stays as it is") { name, period, limit, warn, requestId };
        command.Validators.Add(result =>
        {
            if (result.GetValue(period) is null && result.GetValue(limit) is null && result.GetValue(warn) is null)
            {
                result.AddError("Say what to change: --rotation-days, --limit-days or --warn-days (keyservice key get shows what holds).");
            }
        });
        return command.Runs(async run =>
        {
            using var client = run.Connect();
            run.Report.Write(KeyRecords.Of(
                await client.Keys.SetPolicyAsync(
                    run.Get(name), Time(run.Get(period)), Time(run.Get(limit)), Time(run.Get(warn)), run.Get(requestId), run.Cancellation)
                    .ConfigureAwait(false)));
        });

        static Option<int?> Days(string option, string description) => new(option) { Description = description, HelpName = "DAYS" };

        static TimeSpan? Time(int? days) => days is { } count ? TimeSpan.FromDays(count) : null;
    }

    private static Command Versions()
    {
        var name = Name();
        return new Command("versions", "List the versions of a key, newest first") { name }.Runs(async run =>
        {
            using var client = run.Connect();
            await run.Report.WriteListAsync(
                client.Keys.ListVersionsAsync(run.Get(name), run.Cancellation).Select(KeyRecords.Of),
                "No versions.", run.Cancellation).ConfigureAwait(false);
        });
    }

    internal static Argument<string> Name() => new("NAME") { Description = "Name of the key: [a-z0-9._-], grouped by /" };
}
