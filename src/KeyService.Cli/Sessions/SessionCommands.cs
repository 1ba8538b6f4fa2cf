using System.CommandLine;
using System.Security.Cryptography;
using KeyService.Cli.CommandLine;

namespace KeyService.Cli.Sessions;

/// <summary><c>keyservice session …</c></summary>
internal static class SessionCommands
{
    public static Command Create() => new("session", "Show, confirm, list and end sessions of people") { Show(), Confirm(), List(), End() };

    private static Command Show() => new Command("show", "Show your own session").Runs(async run =>
    {
        using var client = run.Connect();
        run.Report.Write(SessionRecords.Of(await client.Sessions.GetOwnAsync(run.Cancellation).ConfigureAwait(false)));
    });

    private static Command Confirm() => new Command("confirm", "Give a fresh code, for what asks for one within 5 minutes").Runs(async run =>
    {
        var code = CodePrompt.Read();
        try
        {
            using var client = run.Connect();
            run.Report.Write(SessionRecords.Of(await client.Sessions.ConfirmAsync(code, run.Cancellation).ConfigureAwait(false)));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(code);
        }
    });

    private static Command List()
    {
        var principal = new Option<string>("--principal") { Description = "Only of this person", HelpName = "NAME", DefaultValueFactory = _ => "" };
        return new Command("list", "List open sessions") { principal }.Runs(async run =>
        {
            using var client = run.Connect();
            var open = await client.Sessions.ListAsync(run.Required(principal), run.Cancellation).ConfigureAwait(false);
            await run.Report.WriteListAsync(open.Select(SessionRecords.Of).ToAsyncEnumerable(), "No open sessions.", run.Cancellation).ConfigureAwait(false);
        });
    }

    private static Command End()
    {
        var id = new Argument<string>("ID") { Description = "Id of the session, 16 hexadecimal digits" };
        var requestId = GlobalOptions.RequestId();
        return new Command("end", "End somebody's session, from now on") { id, requestId }.Runs(async run =>
        {
            using var client = run.Connect();
            await client.Sessions.EndAsync(run.Get(id), run.Get(requestId), run.Cancellation).ConfigureAwait(false);
        });
    }
}
