using System.CommandLine;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;

namespace KeyService.Cli.Access;

/// <summary><c>keyservice whoami</c></summary>
internal static class WhoAmICommand
{
    public static Command Create() => new Command("whoami", "Show who this profile is to the service, and its grants").Runs(async run =>
    {
        using var client = run.Connect();
        var me = await client.Access.WhoAmIAsync(run.Cancellation).ConfigureAwait(false);
        var record = AccessRecords.Of(me.Principal);
        record["grants"] = me.Grants.Select(AccessRecords.Of).ToList();
        run.Report.Write(record);
    });
}
