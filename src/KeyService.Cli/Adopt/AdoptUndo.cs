using System.CommandLine;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;

namespace KeyService.Cli.Adopt;

/// <summary><c>adopt undo</c></summary>
internal static class AdoptUndo
{
    public static Command Create() =>
        new Command("undo", "Take an adoption back that is not committed") { AdoptOptions.Database, AdoptOptions.Table, AdoptOptions.PgcryptoKeyFile }
            .WithNotes("""
                Before the switch nothing but the tokens goes. After it, the values that the application wrote since are decrypted into the old form
                first; then the names change back, and the application from before has to run again.
                """)
            .RunsOnDatabase(RunAsync);

    private static async Task RunAsync(Invocation run)
    {
        await using var session = await AdoptionSession.OpenAsync(run).ConfigureAwait(false);
        var adoption = await session.RequireAdoptionAsync().ConfigureAwait(false);
        using var progress = new Progress("restoring", null, run.Quiet, Measure.Rows);
        var rows = adoption.Stage == AdoptionStage.Switched ? await RestoreAsync(session, adoption, progress).ConfigureAwait(false) : 0;
        await using var transaction = await session.Connection.BeginTransactionAsync(run.Cancellation).ConfigureAwait(false);
        if (adoption.Stage == AdoptionStage.Switched)
        {
            var restoring = new ValueRestoring(adoption, session.Tokens(adoption), session.Secret);
            await session.MakeUpLockedAsync(
                restoring.RestoreAsync, restoring.Restart, "Run keyservice adopt undo again: it goes on from there.").ConfigureAwait(false);
            await AdoptionSchema.SwitchBackAsync(session.Connection, adoption, run.Cancellation).ConfigureAwait(false);
        }
        else
        {
            await AdoptionSchema.RemoveTokensAsync(session.Connection, adoption, run.Cancellation).ConfigureAwait(false);
        }
        await adoption.DeleteAsync(session.Connection, run.Cancellation).ConfigureAwait(false);
        await transaction.CommitAsync(run.Cancellation).ConfigureAwait(false);
        progress.Finish("restored", rows, $" of {adoption.Table.Display}");
        run.Report.Write(new Record
        {
            ["table"] = adoption.Table.Display,
            ["columns"] = adoption.Columns.Select(column => column.Name).ToList(),
            ["stage"] = "undone",
            ["rows"] = rows,
            ["seconds"] = Math.Round(progress.Elapsed.TotalSeconds, 3),
        });
    }

    private static Task<long> RestoreAsync(AdoptionSession session, Adoption adoption, IProgress<long> progress)
    {
        var restoring = new ValueRestoring(adoption, session.Tokens(adoption), session.Secret);
        return session.RunPassesAsync(
            restoring.RestoreAsync, restoring.Restart,
            () => ValueRestoring.CountMissingAsync(session.Connection, adoption, session.Run.Cancellation), progress);
    }
}
