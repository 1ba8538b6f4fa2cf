using System.CommandLine;
using System.Globalization;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using KeyService.Protocol.V1;

namespace KeyService.Cli.Destruction;

/// <summary><c>keyservice key destroy</c> and <c>keyservice destruction …</c></summary>
internal static class DestructionCommands
{
    public static Command Create() => new("destruction", "Destructions that wait: list, cancel, complete, certificate") { List(), Cancel(), Complete(), Certificate() };

    public static Command Destroy()
    {
        var name = new Argument<string>("NAME") { Description = "Name of the key: [a-z0-9._-], grouped by /" };
        var versions = new Option<string[]>("--version") { Description = "A version to destroy, once for each", HelpName = "ID", DefaultValueFactory = _ => [] };
        var all = new Option<bool>("--all-versions") { Description = "Every version that the key has" };
        var wait = new Option<string>("--wait") { Description = "Waiting period, 7d to 30d", HelpName = "DAYS", Required = true };
        var reason = new Option<string>("--reason") { Description = "Why", HelpName = "TEXT", Required = true };
        var requestId = GlobalOptions.RequestId();
        return new Command("destroy", "Ask for the destruction of versions: waits, looks for what needs them, and then awaits approval")
        {
            name, versions, all, wait, reason, requestId,
        }.WithNotes("""
            While the waiting period runs the versions decrypt as before, and each use raises an alarm. At its end what needs them is looked for once
            more; then keyservice destruction complete destroys them, with the approval of a quorum of officers. Cancel it at any time before.

            Refused while something needs a version: move what stands under it first (keyservice campaign).
            """).Runs(async run =>
        {
            var chosen = run.Get(versions)!;
            if (chosen.Length > 0 == run.Get(all))
            {
                throw CliError.Usage("Say what is to be destroyed.", "--version ID, once for each, or --all-versions.");
            }
            using var client = run.Connect();
            run.Report.Write(Of(await client.Destructions.ScheduleAsync(
                run.Get(name), chosen, ParseWait(run.Required(wait)), run.Required(reason), run.Get(requestId), run.Cancellation).ConfigureAwait(false)));
        });
    }

    private static Command List() => new Command("list", "List destructions").Runs(async run =>
    {
        using var client = run.Connect();
        await run.Report.WriteListAsync(client.Destructions.ListAsync(run.Cancellation).Select(Of), "No destructions.", run.Cancellation).ConfigureAwait(false);
    });

    private static Command Cancel()
    {
        var id = Id();
        var requestId = GlobalOptions.RequestId();
        return new Command("cancel", "End a destruction that was not approved yet") { id, requestId }.Runs(async run =>
        {
            using var client = run.Connect();
            run.Report.Write(Of(await client.Destructions.CancelAsync(run.Get(id), run.Get(requestId), run.Cancellation).ConfigureAwait(false)));
        });
    }

    private static Command Complete()
    {
        var id = Id();
        var requestId = GlobalOptions.RequestId();
        return new Command("complete", "Destroy the versions for good, after the waiting period, with the approval of a quorum of officers") { id, requestId }
            .WithNotes("""
                The first call is recorded and waits for officers (keyservice approval). When they have approved, keyservice approval resume makes it again.
                """)
            .Runs(async run =>
            {
                using var client = run.Connect();
                var destruction = (await client.Destructions.GetAsync(run.Get(id), run.Cancellation).ConfigureAwait(false)).Destruction;
                run.Report.Write(Of((await client.Destructions.CompleteAsync(destruction, run.Get(requestId), run.Cancellation).ConfigureAwait(false)).Certificate));
            });
    }

    private static Command Certificate()
    {
        var id = Id();
        return new Command("certificate", "Show what is known of a destruction: versions, what needs them, surviving copies") { id }.Runs(async run =>
        {
            using var client = run.Connect();
            run.Report.Write(Of((await client.Destructions.GetAsync(run.Get(id), run.Cancellation).ConfigureAwait(false)).Certificate));
        });
    }

    private static Record Of(Protocol.V1.Destruction destruction) => new Record
    {
        ["id"] = destruction.Id,
        ["key"] = destruction.Key,
        ["key_versions"] = destruction.KeyVersions.ToList(),
        ["state"] = EnumNames.Of(destruction.State),
        ["due_time"] = Times.Of(destruction.DueTime),
        ["uses"] = destruction.Uses,
        ["reason"] = destruction.Reason,
    }
    .Detail("whole_key", destruction.WholeKey)
    .Detail("asked_by", destruction.AskedBy)
    .Detail("ask_time", Times.Of(destruction.AskTime))
    .Detail("last_use_time", Times.Of(destruction.LastUseTime))
    .Detail("ended_by", destruction.EndedBy)
    .Detail("end_time", Times.Of(destruction.EndTime))
    .Detail("revision", destruction.Revision);

    private static Record Of(DestructionCertificate certificate) => new()
    {
        ["statement"] = certificate.Statement,
        ["destruction"] = certificate.Destruction,
        ["key"] = certificate.Key,
        ["reason"] = certificate.Reason,
        ["asked_by"] = certificate.AskedBy,
        ["ask_time"] = Times.Of(certificate.AskTime),
        ["due_time"] = Times.Of(certificate.DueTime),
        ["scan_time"] = Times.Of(certificate.ScanTime),
        ["destroyed"] = certificate.Destroyed,
        ["complete"] = certificate.Complete,
        ["versions"] = certificate.Versions.Select(version => new Record
        {
            ["id"] = version.Id,
            ["state"] = EnumNames.Of(version.State),
            ["create_time"] = Times.Of(version.CreateTime),
            ["activate_time"] = Times.Of(version.ActivateTime),
            ["deactivate_time"] = Times.Of(version.DeactivateTime),
            ["check_value"] = version.CheckValue,
        }).ToList(),
        ["dependencies"] = certificate.Dependencies.Select(dependency => new Record
        {
            ["key_version"] = dependency.KeyVersion,
            ["kind"] = EnumNames.Of(dependency.Kind),
            ["subject"] = dependency.Subject,
            ["detail"] = dependency.Detail,
            ["items"] = dependency.Items,
            ["until_time"] = Times.Of(dependency.UntilTime),
        }).ToList(),
        ["copies"] = certificate.Copies.Select(copy => new Record
        {
            ["key_version"] = copy.KeyVersion, ["place"] = copy.Place, ["attested"] = copy.Attested,
        }).ToList(),
    };

    private static TimeSpan ParseWait(string text) =>
        text.EndsWith('d') && int.TryParse(text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var days) && days is > 0 and < 10_000
            ? TimeSpan.FromDays(days)
            : throw CliError.Usage($"\"{text}\" is not a number of days.", "Write 7d to 30d.");

    private static Argument<string> Id() => new("ID") { Description = "Id of the destruction, 16 hexadecimal digits" };
}
