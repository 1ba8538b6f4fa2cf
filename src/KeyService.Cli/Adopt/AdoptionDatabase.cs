using KeyService.Cli.CommandLine;
using Npgsql;

namespace KeyService.Cli.Adopt;

/// <summary>The application's PostgreSQL database, and the one connection that holds the adoption's lock in it.</summary>
internal sealed class AdoptionDatabase : IAsyncDisposable
{
    // "KSAD": one lock for each table under this class, so that two commands never work on one table.
    private const int LockClass = 0x4B534144;

    private readonly NpgsqlConnection guard;

    private AdoptionDatabase(NpgsqlDataSource source, NpgsqlConnection guard, string name)
    {
        Source = source;
        this.guard = guard;
        Name = name;
    }

    public NpgsqlDataSource Source { get; }

    /// <summary>Name of the database.</summary>
    public string Name { get; }

    /// <summary>Connects. A password comes from PGPASSWORD or the file that PGPASSFILE names: arguments are seen by everybody on the machine.</summary>
    public static async Task<AdoptionDatabase> OpenAsync(string connectionString, CancellationToken cancellation)
    {
        var source = new NpgsqlDataSourceBuilder(Checked(connectionString)).Build();
        try
        {
            var guard = await source.OpenConnectionAsync(cancellation).ConfigureAwait(false);
            return new AdoptionDatabase(source, guard, guard.Database);
        }
        catch (Exception e) when (e is NpgsqlException or System.Net.Sockets.SocketException)
        {
            await source.DisposeAsync().ConfigureAwait(false);
            throw new CliError(
                ExitCode.Unavailable, "DATABASE_UNAVAILABLE", $"The database does not let us in: {e.Message}",
                "Check --database and the server; psql with the same values must work. A password is taken from PGPASSWORD or PGPASSFILE.", e);
        }
    }

    /// <summary>Takes the table for this command until it ends.</summary>
    public async Task LockAsync(uint table, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand("SELECT pg_try_advisory_lock($1, $2)", guard)
        {
            Parameters = { new() { Value = LockClass }, new() { Value = unchecked((int)table) } },
        };
        if (await command.ExecuteScalarAsync(cancellation).ConfigureAwait(false) is not true)
        {
            throw new CliError(
                ExitCode.Conflict, "ADOPTION_RUNNING", "Another adopt command works on this table.",
                "Wait for it, or end it: what it did so far stays, and this command goes on from there.");
        }
    }

    public async ValueTask DisposeAsync()
    {
        await guard.DisposeAsync().ConfigureAwait(false);
        await Source.DisposeAsync().ConfigureAwait(false);
    }

    private static string Checked(string connectionString)
    {
        try
        {
            var builder = new NpgsqlConnectionStringBuilder(connectionString);
            if (builder.Password is not null)
            {
                throw CliError.Usage(
                    "A password does not belong into an argument: everybody on the machine can read it.",
                    "Leave Password away and put it into PGPASSWORD or the file that PGPASSFILE names.");
            }
            builder.ApplicationName = "keyservice adopt";
            // Not pooled sessions' leftovers, and the text form of a value never depends on somebody's settings.
            builder.Options = "-c datestyle=ISO,YMD -c intervalstyle=iso_8601 -c timezone=UTC -c extra_float_digits=1 -c lock_timeout=10s";
            builder.IncludeErrorDetail = false;
            return builder.ConnectionString;
        }
        catch (ArgumentException e)
        {
            throw CliError.Usage(
                $"--database is not a connection string: {e.Message}", "Write for example --database 'Host=/run/postgresql;Database=ehr;Username=ehr_owner'.");
        }
    }
}
