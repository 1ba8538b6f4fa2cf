using KeyService.Server.Storage;
using KeyService.Server.Storage.Postgres;
using Npgsql;

namespace KeyService.Server.Hosting;

/// <summary>The role that owns the schema in PostgreSQL and brings it forward. The service does not log in as it.</summary>
/// <param name="PasswordFile">Null when the server asks for no password.</param>
internal sealed record DatabaseOwner(string User, string? PasswordFile)
{
    /// <exception cref="StartUpException">A password file without an owner.</exception>
    public static DatabaseOwner? Of(string? user, string? passwordFile) => (user, passwordFile) switch
    {
        (null, null) => null,
        (null, _) => throw new StartUpException(ExitCode.Configuration, "--owner-password-file needs --owner."),
        _ => new DatabaseOwner(user, passwordFile is null ? null : Path.GetFullPath(passwordFile)),
    };

    /// <summary>The same database, as the owner.</summary>
    public PostgresStoreOptions Of(PostgresStoreOptions service) => User == service.User
        ? service
        : service with { User = User, PasswordFile = PasswordFile, ClientCertificate = null, ClientKey = null };

    /// <summary>Makes the schema or brings it forward, and gives the service's role what it needs.</summary>
    /// <returns>Whether it is the schema of this version: false when a newer version's stands there and this one works with it.</returns>
    /// <exception cref="StartUpException">The store is not PostgreSQL.</exception>
    /// <exception cref="StoreOpenException">The database cannot be reached or is not ours.</exception>
    public bool Prepare(ServerConfiguration configuration, TimeProvider time)
    {
        if (configuration.Postgres is not { } service)
            throw new StartUpException(ExitCode.Configuration, "--owner is for store.postgres; an embedded store has none.");
        var options = Of(service);
        try
        {
            using var connection = PostgresConnections.OpenForSchema(options);
            // What newer tables need, only the newer version knows: its grants stay as they are.
            if (PostgresSchema.Upgrade(connection, options.Description, Migrations.Postgres, time) > Migrations.Postgres.Count)
                return false;
            if (User != service.User)
                PostgresGrants.Apply(connection, service.User);
            return true;
        }
        catch (NpgsqlException exception)
        {
            throw new StoreOpenException($"The schema of {options.Description} cannot be made: {PostgresErrors.Explain(exception)}.", exception);
        }
    }
}
