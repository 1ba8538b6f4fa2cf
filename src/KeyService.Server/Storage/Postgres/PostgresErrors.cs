using Npgsql;

namespace KeyService.Server.Storage.Postgres;

/// <summary>Which errors of PostgreSQL pass by themselves, which are the database's own trouble, and which are the statement's.</summary>
internal static class PostgresErrors
{
    private const string IdleInTransaction = "25P03";

    /// <summary>
    /// True when what was tried can be tried again: the session was lost, the server is being stopped, switched over or out of resources, or
    /// two transactions were in each other's way. Says nothing of whether a COMMIT that failed so stands.
    /// </summary>
    public static bool IsTransient(Exception exception) => exception switch
    {
        PostgresException { SqlState: { Length: 5 } state } => state[..2] is "08" or "40" or "53" or "58"
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
        PostgresException { SqlState: PostgresErrorCodes.InvalidPassword } => "the database refused the password; look at store.postgres.passwordFile",
        PostgresException { SqlState: PostgresErrorCodes.InvalidAuthorizationSpecification } e => $"the database does not let the role in ({e.MessageText})",
        PostgresException { SqlState: PostgresErrorCodes.InvalidCatalogName } => "there is no such database; look at store.postgres.database",
        PostgresException e => $"PostgreSQL {e.SqlState}: {e.MessageText}",
        NpgsqlException { InnerException: { } inner } => $"the database does not answer ({inner.Message})",
        _ => exception.Message,
    };

    public static StoreUnavailableException Unavailable(string doing, Exception exception) => exception as StoreUnavailableException
        ?? new StoreUnavailableException($"{doing} failed: {Explain(exception)}", exception);
}
