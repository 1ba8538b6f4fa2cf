using System.CommandLine;
using System.Security.Cryptography;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;

namespace KeyService.Cli.Sessions;

/// <summary><c>keyservice person …</c></summary>
internal static class PersonCommands
{
    public static Command Create() => new("person", "Second factors of people") { Enrol(), List(), Unlock(), Reset() };

    private static Command Enrol() => new Command("enrol-second-factor", "Set up your authenticator application; opens a session").Runs(async run =>
    {
        using var client = run.ConnectWithoutSession();
        using (var offered = await client.Sessions.OfferSecondFactorAsync(run.Cancellation).ConfigureAwait(false))
        {
            SeedPicture.Show(offered);
        }
        var code = CodePrompt.Read();
        try
        {
            using var opened = await client.Sessions.ActivateSecondFactorAsync(code, run.Cancellation).ConfigureAwait(false);
            run.SessionFile.Write(opened.Token.DangerousSpan);
            run.Report.Write(SessionRecords.Of(opened.Session));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(code);
        }
    }).WithNotes("""
        Shows the seed once, on stderr: as a QR code when that is a terminal, and as text. Take it with the application and
        give the code that it shows then. Without that code nothing changes, and the next offer has another seed.
        """);

    private static Command List() => new Command("list", "List second factors of people").Runs(async run =>
    {
        using var client = run.Connect();
        var all = await client.Sessions.ListSecondFactorsAsync(run.Cancellation).ConfigureAwait(false);
        await run.Report.WriteListAsync(all.Select(SessionRecords.Of).ToAsyncEnumerable(), "Nobody has enrolled a second factor.", run.Cancellation)
            .ConfigureAwait(false);
    });

    private static Command Unlock()
    {
        var name = Name();
        var requestId = GlobalOptions.RequestId();
        return new Command("unlock", "Unlock a person whom wrong codes locked") { name, requestId }.Runs(async run =>
        {
            using var client = run.Connect();
            run.Report.Write(SessionRecords.Of(
                await client.Sessions.UnlockAsync(run.Get(name), run.Get(requestId), run.Cancellation).ConfigureAwait(false)));
        });
    }

    private static Command Reset()
    {
        var name = Name();
        var requestId = GlobalOptions.RequestId();
        return new Command("reset-second-factor", "Take a lost second factor away; two officers call it") { name, requestId }.Runs(async run =>
        {
            using var client = run.Connect();
            run.Report.Write(SessionRecords.Of(
                await client.Sessions.ResetSecondFactorAsync(run.Get(name), run.Get(requestId), run.Cancellation).ConfigureAwait(false)));
        }).WithNotes("""
            The first officer's call asks for it, a second officer's within 24 hours does it. Neither can be the person.
            """);
    }

    private static Argument<string> Name() => new("NAME") { Description = "Name of the person" };
}
