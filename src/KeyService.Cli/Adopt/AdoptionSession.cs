using System.Security.Cryptography;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Files;
using KeyService.Cli.Output;
using KeyService.Client;
using Npgsql;

namespace KeyService.Cli.Adopt;

/// <summary>What one adopt command works with: the table, locked for it; a connection; the service; pgcrypto's key.</summary>
internal sealed class AdoptionSession : IAsyncDisposable
{
    private const int LongestSecret = 64 * 1024;

    /// <summary>Rows that a change of names makes up itself, while it holds the table.</summary>
    private const int FewRows = 10_000;

    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    private readonly AdoptionDatabase database;
    private readonly byte[] secret;
    private KeyServiceClient? client;
    private ColumnTokens? tokens;

    private AdoptionSession(Invocation run, AdoptionDatabase database, NpgsqlConnection connection, AdoptedTable table, byte[] secret)
    {
        Run = run;
        this.database = database;
        Connection = connection;
        Table = table;
        this.secret = secret;
    }

    public Invocation Run { get; }

    public NpgsqlConnection Connection { get; }

    public AdoptedTable Table { get; }

    /// <summary>Name of the database.</summary>
    public string DatabaseName => database.Name;

    public ReadOnlyMemory<byte> Secret => secret;

    public static async Task<AdoptionSession> OpenAsync(Invocation run)
    {
        var secret = await ReadSecretAsync(run).ConfigureAwait(false);
        var database = await AdoptionDatabase.OpenAsync(run.Required(AdoptOptions.Database), run.Cancellation).ConfigureAwait(false);
        try
        {
            var connection = await database.Source.OpenConnectionAsync(run.Cancellation).ConfigureAwait(false);
            var table = await AdoptedTable.FindAsync(connection, run.Required(AdoptOptions.Table), run.Cancellation).ConfigureAwait(false);
            await database.LockAsync(table.Oid, run.Cancellation).ConfigureAwait(false);
            return new AdoptionSession(run, database, connection, table, secret);
        }
        catch
        {
            await database.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    public Task<Adoption> RequireAdoptionAsync() => Adoption.RequireOpenAsync(Connection, Table, Run.Cancellation);

    /// <summary>Tokens of the adoption's columns, by the service's keys; the connection opens with the first.</summary>
    public ColumnTokens Tokens(Adoption adoption)
    {
        if (secret.Length == 0 && adoption.Columns.Any(column => column.Form != SourceForm.Plain))
        {
            throw CliError.Usage("A column of this adoption is encrypted by pgcrypto.", "Name the file that holds its key: --pgcrypto-key-file FILE");
        }
        client ??= Run.Connect();
        return tokens ??= new ColumnTokens(client, database.Source, adoption);
    }

    /// <summary>Runs a step in transactions of its own until a whole pass finds nothing, waiting for rows that others hold.</summary>
    /// <param name="step">Does a batch and answers how many rows it did; 0 at the end of the table.</param>
    /// <param name="restart">Goes to the beginning of the table.</param>
    /// <param name="left">How many rows are left.</param>
    /// <param name="progress">Told the rows done.</param>
    /// <returns>Rows done.</returns>
    public async Task<long> RunPassesAsync(
        Func<NpgsqlConnection, CancellationToken, Task<int>> step, Action restart, Func<Task<long>> left, IProgress<long> progress)
    {
        var done = 0L;
        var waits = 0;
        do
        {
            restart();
            var before = done;
            int rows;
            do
            {
                await using var transaction = await Connection.BeginTransactionAsync(Run.Cancellation).ConfigureAwait(false);
                rows = await step(Connection, Run.Cancellation).ConfigureAwait(false);
                await transaction.CommitAsync(Run.Cancellation).ConfigureAwait(false);
                done += rows;
                progress.Report(done);
            }
            while (rows > 0);
            if (done == before && await left().ConfigureAwait(false) is > 0 and var locked)
            {
                waits++;
                if (waits > 10)
                {
                    throw new CliError(
                        ExitCode.Failed, "ROWS_LOCKED", $"{locked} rows of {Table.Display} are held by other transactions",
                        "What was done stays. Run the same command again when they have ended.");
                }
                await Task.Delay(Pause, Run.Cancellation).ConfigureAwait(false);
            }
            else if (done == before)
            {
                return done;
            }
        }
        while (true);
    }

    /// <summary>Takes the table for this transaction alone and makes up what is left, if it is little.</summary>
    public async Task MakeUpLockedAsync(
        Func<NpgsqlConnection, CancellationToken, Task<int>> step, Action restart, string advice)
    {
        await LockTableAsync().ConfigureAwait(false);
        restart();
        var done = 0;
        int rows;
        do
        {
            rows = await step(Connection, Run.Cancellation).ConfigureAwait(false);
            done += rows;
            if (done > FewRows)
            {
                throw new CliError(
                    ExitCode.Conflict, "TOO_MANY_ROWS_CHANGED", $"More than {FewRows} rows of {Table.Display} were written meanwhile.", advice);
            }
        }
        while (rows > 0);
    }

    private async Task LockTableAsync()
    {
        try
        {
            await Sql.ExecuteAsync(Connection, $"LOCK TABLE {Table.Quoted} IN ACCESS EXCLUSIVE MODE", Run.Cancellation).ConfigureAwait(false);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.LockNotAvailable)
        {
            throw new CliError(
                ExitCode.Conflict, "TABLE_IN_USE", $"{Table.Display} could not be had alone within 10 seconds: a transaction holds it.",
                "Nothing was changed. Run this again at a quieter moment, or end the transaction that holds the table.", e);
        }
    }

    public async ValueTask DisposeAsync()
    {
        CryptographicOperations.ZeroMemory(secret);
        if (tokens is not null)
        {
            await tokens.DisposeAsync().ConfigureAwait(false);
        }
        client?.Dispose();
        await Connection.DisposeAsync().ConfigureAwait(false);
        await database.DisposeAsync().ConfigureAwait(false);
    }

    private static async Task<byte[]> ReadSecretAsync(Invocation run)
    {
        if (run.Get(AdoptOptions.PgcryptoKeyFile) is not { } path)
        {
            return [];
        }
        var content = await InputFile.ReadSmallAsync(path, LongestSecret, run.Cancellation).ConfigureAwait(false);
        try
        {
            var length = content.AsSpan().TrimEnd("\r\n"u8).Length;
            var pinned = GC.AllocateUninitializedArray<byte>(length, pinned: true);
            content.AsSpan(0, length).CopyTo(pinned);
            return pinned.Length > 0
                ? pinned
                : throw CliError.Usage($"{path} is empty.", "It holds pgcrypto's key; a line feed at its end does not count.");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(content);
        }
    }
}
