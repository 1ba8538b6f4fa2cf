using System.CommandLine;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using Npgsql;

namespace KeyService.Cli.Adopt;

/// <summary><c>adopt commit</c>: the one step that cannot be undone.</summary>
internal static class AdoptCommit
{
    public static Command Create()
    {
        var yes = AdoptOptions.Yes();
        var keepPages = new Option<bool>("--no-rewrite")
        {
            Description = "Leave the removed values in the table's pages; VACUUM FULL removes them, and holds the table alone meanwhile",
        };
        return new Command("commit", "Remove the old values for good, when every token opens")
        {
            AdoptOptions.Database, AdoptOptions.Table, AdoptOptions.PgcryptoKeyFile, yes, keepPages,
        }.WithNotes("""
            Every token is opened once more before anything is removed. DROP COLUMN leaves the bytes in the table's pages: so the table is
            rewritten afterwards (VACUUM FULL), unless --no-rewrite says that you do it at a time of your own.
            Backups and archived WAL from before still hold the old values: let them expire, or destroy them.
            """).RunsOnDatabase(run => RunAsync(run, run.Get(yes), run.Get(keepPages)));
    }

    private static async Task RunAsync(Invocation run, bool yes, bool keepPages)
    {
        await using var session = await AdoptionSession.OpenAsync(run).ConfigureAwait(false);
        var adoption = await session.RequireAdoptionAsync().ConfigureAwait(false);
        if (adoption.Stage != AdoptionStage.Switched)
        {
            throw new CliError(
                ExitCode.Conflict, "ADOPTION_STAGE", $"The adoption of {adoption.Table.Display} is {AdoptReport.StageName(adoption.Stage)}, not switched.",
                $"Next is: {AdoptReport.Next(adoption)}");
        }
        if (!yes)
        {
            throw CliError.Usage(
                $"This removes the old values of {string.Join(", ", adoption.Columns.Select(column => column.Name))} in {adoption.Table.Display} for good.",
                "Say --yes when the application is proven and the key's backup is.");
        }
        using var progress = new Progress("verifying", adoption.Table.Rows, run.Quiet, Measure.Rows);
        await using (var transaction = await session.Connection.BeginTransactionAsync(run.Cancellation).ConfigureAwait(false))
        {
            // Readers go on; writers wait, so that what is removed is what was verified.
            await Sql.ExecuteAsync(
                session.Connection, $"LOCK TABLE {adoption.Table.Quoted} IN SHARE ROW EXCLUSIVE MODE", run.Cancellation).ConfigureAwait(false);
            var verification = await AdoptVerify.VerifyAllAsync(session, adoption, progress).ConfigureAwait(false);
            await AdoptionSchema.RemoveOldAsync(session.Connection, adoption, run.Cancellation).ConfigureAwait(false);
            adoption = await adoption.MoveToAsync(session.Connection, AdoptionStage.Committed, run.Cancellation).ConfigureAwait(false);
            await transaction.CommitAsync(run.Cancellation).ConfigureAwait(false);
            progress.Finish("verified and committed", verification.Compared + verification.Opened, $" of {adoption.Table.Display}");
            AdoptReport.Write(run, adoption, verification.Compared + verification.Opened, progress.Elapsed);
        }
        if (!keepPages)
        {
            await RewriteAsync(session).ConfigureAwait(false);
        }
    }

    private static async Task RewriteAsync(AdoptionSession session)
    {
        try
        {
            await Sql.ExecuteAsync(session.Connection, $"VACUUM (FULL) {session.Table.Quoted}", session.Run.Cancellation).ConfigureAwait(false);
        }
        catch (PostgresException e)
        {
            throw new CliError(
                ExitCode.Failed, "PAGES_NOT_REWRITTEN", $"The old values are removed, but their bytes still lie in the table's pages: {e.MessageText}",
                $"Run this in the database at a quiet moment: VACUUM (FULL) {session.Table.Quoted};", e);
        }
    }
}
