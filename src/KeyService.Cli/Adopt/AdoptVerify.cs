using System.CommandLine;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;

namespace KeyService.Cli.Adopt;

/// <summary><c>adopt verify</c></summary>
internal static class AdoptVerify
{
    public static Command Create() =>
        new Command("verify", "Open every token and compare it with its value") { AdoptOptions.Database, AdoptOptions.Table, AdoptOptions.PgcryptoKeyFile }
            .RunsOnDatabase(RunAsync);

    /// <summary>Goes through the whole table.</summary>
    public static async Task<TokenVerification> VerifyAllAsync(AdoptionSession session, Adoption adoption, IProgress<long> progress)
    {
        var verification = new TokenVerification(adoption, session.Tokens(adoption), session.Secret);
        var done = 0L;
        int rows;
        do
        {
            rows = await verification.VerifyAsync(session.Connection, session.Run.Cancellation).ConfigureAwait(false);
            progress.Report(done += rows);
        }
        while (rows > 0);
        return verification;
    }

    private static async Task RunAsync(Invocation run)
    {
        await using var session = await AdoptionSession.OpenAsync(run).ConfigureAwait(false);
        var adoption = await session.RequireAdoptionAsync().ConfigureAwait(false);
        using var progress = new Progress("verifying", adoption.Table.Rows, run.Quiet, Measure.Rows);
        var verification = await VerifyAllAsync(session, adoption, progress).ConfigureAwait(false);
        if (verification.Missing > 0 && adoption.Stage != AdoptionStage.Switched)
        {
            throw new CliError(
                ExitCode.NotVerified, "ADOPTION_INCOMPLETE", $"{verification.Missing} values of {adoption.Table.Display} have no token yet.",
                "What has one is right. Run keyservice adopt start again, then verify.");
        }
        if (adoption.Stage == AdoptionStage.Encrypting)
        {
            adoption = await adoption.MoveToAsync(session.Connection, AdoptionStage.Verified, run.Cancellation).ConfigureAwait(false);
        }
        var tokens = verification.Compared + verification.Opened;
        progress.Finish("verified", tokens, $" of {adoption.Table.Display}");
        AdoptReport.Write(run, adoption, tokens, progress.Elapsed);
    }
}
