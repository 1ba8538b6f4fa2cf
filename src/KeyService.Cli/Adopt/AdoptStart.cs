using System.CommandLine;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;

namespace KeyService.Cli.Adopt;

/// <summary><c>adopt start</c>: begins an adoption, or goes on with it.</summary>
internal static class AdoptStart
{
    public static Command Create()
    {
        var columns = new Option<string[]>("--column") { Description = "A column to encrypt; once for each", HelpName = "NAME", DefaultValueFactory = _ => [] };
        var pgcrypto = new Option<string[]>("--pgcrypto")
        {
            Description = "A column that pgcrypto encrypted, and how: pgp-sym, pgp-sym-bytea or aes",
            HelpName = "NAME=FORM",
            DefaultValueFactory = _ => [],
        };
        var key = new Option<string?>("--key", "-k") { Description = "Name of the key", HelpName = "NAME" };
        var scope = new Option<string?>("--scope")
        {
            Description = "First part of the tokens' context, which the application names too; else the database's name",
            HelpName = "TEXT",
        };
        var text = new Option<bool>("--text") { Description = "Tokens as text (ks1.…) rather than bytea" };
        var command = new Command("start", "Make tokens beside the values; the same again goes on where it stopped")
        {
            AdoptOptions.Database, AdoptOptions.Table, columns, pgcrypto, key, scope, text, AdoptOptions.PgcryptoKeyFile,
        };
        return command.WithNotes("""
            Example:
              keyservice adopt start -d 'Host=/run/postgresql;Database=ehr' --table public.patient --column ssn --column note --key ehr/patient

            The application may go on reading and writing meanwhile: a trigger empties the token of a value that changes, and it is made
            again. Each batch is a transaction of its own; interrupt it whenever you like.
            """).RunsOnDatabase(run => RunAsync(run, new AdoptionRequest(
                [.. run.Get(columns)!.Select(name => (name, SourceForm.Plain)), .. run.Get(pgcrypto)!.Select(ParsePgcrypto)],
                run.Get(key), run.Get(scope), run.Get(text))));
    }

    private static async Task RunAsync(Invocation run, AdoptionRequest request)
    {
        await using var session = await AdoptionSession.OpenAsync(run).ConfigureAwait(false);
        var adoption = await Adoption.FindOpenAsync(session.Connection, session.Table, run.Cancellation).ConfigureAwait(false);
        adoption = adoption is null ? await BeginAsync(session, request).ConfigureAwait(false) : request.Resume(adoption);
        var tokens = session.Tokens(adoption);
        var filling = new TokenFilling(adoption, tokens, session.Secret);
        Task<long> Missing() => TokenFilling.CountMissingAsync(session.Connection, adoption, run.Cancellation);
        using var progress = new Progress("encrypting", await Missing().ConfigureAwait(false), run.Quiet, Measure.Rows);
        var rows = await session.RunPassesAsync(
            async (connection, cancellation) =>
            {
                var filled = await filling.FillAsync(connection, cancellation).ConfigureAwait(false);
                if (filled > 0 && adoption.Stage == AdoptionStage.Verified)
                {
                    // What is new was not verified yet.
                    adoption = await adoption.MoveToAsync(connection, AdoptionStage.Encrypting, cancellation).ConfigureAwait(false);
                }
                return filled;
            },
            filling.Restart, Missing, progress).ConfigureAwait(false);
        progress.Finish("encrypted", rows, $" of {adoption.Table.Display}");
        AdoptReport.Write(run, adoption, rows, progress.Elapsed);
    }

    private static async Task<Adoption> BeginAsync(AdoptionSession session, AdoptionRequest request)
    {
        var cancellation = session.Run.Cancellation;
        var (columns, key) = request.Required();
        await using var transaction = await session.Connection.BeginTransactionAsync(cancellation).ConfigureAwait(false);
        var inspected = await new ColumnInspection(session.Connection, session.Table)
            .ReadAsync(columns, request.TextTokens, cancellation).ConfigureAwait(false);
        await Adoption.CreateRegisterAsync(session.Connection, session.Table, cancellation).ConfigureAwait(false);
        var adoption = await Adoption.InsertAsync(
            session.Connection, session.Table, inspected, key, request.Scope ?? session.DatabaseName, cancellation).ConfigureAwait(false);
        // The service is asked before the table is touched: who may not use the key changes nothing.
        await session.Tokens(adoption).ProbeAsync(cancellation).ConfigureAwait(false);
        await AdoptionSchema.BeginAsync(session.Connection, adoption, cancellation).ConfigureAwait(false);
        await transaction.CommitAsync(cancellation).ConfigureAwait(false);
        return adoption;
    }

    private static (string, SourceForm) ParsePgcrypto(string argument)
    {
        var at = argument.LastIndexOf('=');
        return at > 0 && SourceForms.Pgcrypto.TryGetValue(argument[(at + 1)..], out var form)
            ? (argument[..at], form)
            : throw CliError.Usage(
                $"--pgcrypto {argument} is not of the form NAME=FORM.", $"Forms are {string.Join(", ", SourceForms.Pgcrypto.Keys)}, for example --pgcrypto ssn=pgp-sym.");
    }
}
