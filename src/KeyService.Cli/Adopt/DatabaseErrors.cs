using System.CommandLine;
using KeyService.Cli.CommandLine;
using Npgsql;

namespace KeyService.Cli.Adopt;

/// <summary>What the database refuses, as an error of the command.</summary>
internal static class DatabaseErrors
{
    /// <summary>Gives a command its action, in which an error of the database reads like every other.</summary>
    public static Command RunsOnDatabase(this Command command, Func<Invocation, Task> run) => command.RunsOnDatabase(async invocation =>
    {
        await run(invocation).ConfigureAwait(false);
        return ExitCode.Ok;
    });

    /// <inheritdoc cref="RunsOnDatabase(Command, Func{Invocation, Task})"/>
    public static Command RunsOnDatabase(this Command command, Func<Invocation, Task<int>> run) => command.Runs(async invocation =>
    {
        try
        {
            return await run(invocation).ConfigureAwait(false);
        }
        catch (PostgresException e)
        {
            throw Of(e);
        }
        catch (NpgsqlException e)
        {
            throw new CliError(
                ExitCode.Unavailable, "DATABASE_UNAVAILABLE", $"The database went away: {e.Message}",
                "What was committed stays. Run the same command again when the database is back: it goes on from there.", e);
        }
    });

    private static CliError Of(PostgresException e) => e.SqlState switch
    {
        PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.DeadlockDetected => new CliError(
            ExitCode.Conflict, "TABLE_IN_USE", "The table could not be had within 10 seconds: another transaction holds it.",
            "Nothing of this step was changed. Run it again at a quieter moment, or end the transaction that holds the table.", e),
        PostgresErrorCodes.InsufficientPrivilege => new CliError(
            ExitCode.Refused, "DATABASE_REFUSED", e.MessageText, "Run this as the owner of the table and its schema.", e),
        // The text of a data exception (class 22) quotes the value, which may be a patient's.
        ['2', '2', ..] => new CliError(
            ExitCode.Failed, "DATABASE", $"A value does not fit its column (SQLSTATE {e.SqlState}).",
            "Nothing of this step was changed. The server's log says which statement it was.", e),
        _ => new CliError(
            ExitCode.Failed, "DATABASE", $"The database refused: {e.MessageText} (SQLSTATE {e.SqlState})",
            "Nothing of this step was changed.", e),
    };
}
