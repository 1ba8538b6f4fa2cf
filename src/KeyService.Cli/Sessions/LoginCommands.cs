using System.CommandLine;
using System.Security.Cryptography;
using KeyService.Cli.CommandLine;
using KeyService.Client;

namespace KeyService.Cli.Sessions;

/// <summary><c>keyservice login</c> and <c>logout</c></summary>
internal static class LoginCommands
{
    public static Command Login() => new Command("login", "Open a session with a code of your authenticator application").Runs(async run =>
    {
        var code = CodePrompt.Read();
        try
        {
            using var client = run.ConnectWithoutSession();
            using var opened = await client.Sessions.OpenAsync(code, run.Cancellation).ConfigureAwait(false);
            run.SessionFile.Write(opened.Token.DangerousSpan);
            run.Report.Write(SessionRecords.Of(opened.Session));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(code);
        }
    }).WithNotes("""
        The code is asked for on the terminal, or read from the first line of stdin. The session's token is kept in a
        file of your own until logout; the session ends after 15 minutes without a call, and after 8 hours.
        """);

    public static Command Logout() => new Command("logout", "End the session").Runs(async run =>
    {
        try
        {
            using var client = run.Connect();
            await client.Sessions.CloseAsync(run.Cancellation).ConfigureAwait(false);
        }
        catch (KeyServiceException e) when (e.Reason == "SESSION_REQUIRED")
        {
            // None was open, or it was over already: what was asked for is so.
        }
        run.SessionFile.Remove();
    });
}
