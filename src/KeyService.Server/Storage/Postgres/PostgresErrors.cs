using Npgsql;

namespace KeyService.Server.Storage.Postgres;

/// <summary>Which errors of PostgreSQL pass by themselves, which are the database's own trouble, and which are the statement's.</summary>
internal static class PostgresErrors
{
    private const string IdleInTransaction = "25P03";

    // Npgsql has no code for it.
    private const string NoTls = "SSL connection requested";

    /// <summary>
    /// True when what was tried can be tried again: the session was lost, the server is being stopped, switched over or out of resources, a login was
    /// refused (a password is changed in two places, one after the other), or two transactions were in each other's way. Says nothing of whether a COMMIT
    /// that failed so stands.
    /// </summary>
    public static bool IsTransient(Exception exception) => exception switch
    {
        PostgresException { SqlState: { Length: 5 } state } => state[..2] is "08" or "28" or "40" or "53" or "58"
            || state is PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown or PostgresErrorCodes.CannotConnectNow
                or PostgresErrorCodes.QueryCanceled or PostgresErrorCodes.DatabaseDropped or PostgresErrorCodes.IdleSessionTimeout
                or PostgresErrorCodes.ReadOnlySqlTransaction or IdleInTransaction or PostgresErrorCodes.LockNotAvailable,
        NpgsqlException => true,
        _ => false,
    };

    /// <summary>One sentence with what to look at.</summary>
    public static string Explain(Exception exception) => exception switch
    {
        PostgresException { SqlState: PostgresErrorCodes.DiskFull } => "the database's disk is full",
        PostgresException { SqlState: PostgresErrorCodes.TooManyConnections } => "the database takes no more connections (max_connections)",
        PostgresException { SqlState: PostgresErrorCodes.ReadOnlySqlTransaction } => "the database is a standby and cannot be written",
        PostgresException { SqlState: PostgresErrorCodes.InsufficientPrivilege } e => $"the role lacks a privilege ({e.MessageText}); run 'keyservice store migrate' as the owner",
        PostgresException { SqlState: PostgresErrorCodes.InvalidPassword } => "the database refused the role or its password; look at store.postgres.user and passwordFile",
        PostgresException { SqlState: PostgresErrorCodes.InvalidAuthorizationSpecification } e =>
            $"the database does not let the role in ({e.MessageText}); look at its pg_hba.conf, and at store.postgres.user, clientCertificate and clientKey",
        PostgresException { SqlState: PostgresErrorCodes.InvalidCatalogName } => "there is no such database; look at store.postgres.database",
        PostgresException e => $"PostgreSQL {e.SqlState}: {e.MessageText}",
        NpgsqlException { InnerException: AggregateException hosts } => string.Join("; ", hosts.InnerExceptions.Select(Explain).Distinct()),
        NpgsqlException e when OfOurs(e) is { } ours => ours.Message.TrimEnd('.'),
        NpgsqlException e when e.Message.StartsWith(NoTls, StringComparison.Ordinal) =>
            "the database offers no TLS: set ssl = on there, or store.postgres.sslMode \"disable\" where it is on this host",
        NpgsqlException { InnerException: { } inner } => $"the database does not answer ({inner.Message})",
        _ => exception.Message,
    };

    // A file of ours, or a certificate that was refused: said where it was found, with what to do.
    private static StoreOpenException? OfOurs(Exception? exception)
    {
        while (exception is not null and not StoreOpenException)
        {
            exception = exception.InnerException;
        }

        return (StoreOpenException?)exception;
    }

    public static StoreUnavailableException Unavailable(string doing, Exception exception) => exception as StoreUnavailableException
        ?? new StoreUnavailableException($"{doing} failed: {Explain(exception)}", exception);
}
