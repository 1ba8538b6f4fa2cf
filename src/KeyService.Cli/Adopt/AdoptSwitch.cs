using System.CommandLine;
using System.Diagnostics;
using KeyService.Cli.CommandLine;

namespace KeyService.Cli.Adopt;

/// <summary><c>adopt switch</c></summary>
internal static class AdoptSwitch
{
    public static Command Create() =>
        new Command("switch", "Give the tokens the columns' names; the old values stand aside") { AdoptOptions.Database, AdoptOptions.Table, AdoptOptions.PgcryptoKeyFile }
            .WithNotes("""
                The table is held alone for a moment: rows that changed since verify are made up, then the names change, all in one transaction.
                From then on the application has to write tokens; what it writes empties the old value of that row.
                """)
            .RunsOnDatabase(RunAsync);

    private static async Task RunAsync(Invocation run)
    {
        await using var session = await AdoptionSession.OpenAsync(run).ConfigureAwait(false);
        var adoption = await session.RequireAdoptionAsync().ConfigureAwait(false);
        if (adoption.Stage != AdoptionStage.Verified)
        {
            throw new CliError(
                ExitCode.Conflict, "ADOPTION_STAGE", $"The adoption of {adoption.Table.Display} is {AdoptReport.StageName(adoption.Stage)}, not verified.",
                $"Next is: {AdoptReport.Next(adoption)}");
        }
        var watch = Stopwatch.StartNew();
        var filling = new TokenFilling(adoption, session.Tokens(adoption), session.Secret);
        await using var transaction = await session.Connection.BeginTransactionAsync(run.Cancellation).ConfigureAwait(false);
        await session.MakeUpLockedAsync(
            filling.FillAsync, filling.Restart, "Run keyservice adopt start and verify again, then switch.").ConfigureAwait(false);
        await AdoptionSchema.SwitchAsync(session.Connection, adoption, run.Cancellation).ConfigureAwait(false);
        adoption = await adoption.MoveToAsync(session.Connection, AdoptionStage.Switched, run.Cancellation).ConfigureAwait(false);
        await transaction.CommitAsync(run.Cancellation).ConfigureAwait(false);
        AdoptReport.Write(run, adoption, 0, watch.Elapsed);
    }
}
