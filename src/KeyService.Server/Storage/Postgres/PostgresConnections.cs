using System.Net.Sockets;
using System.Security.Cryptography;
using Npgsql;

namespace KeyService.Server.Storage.Postgres;

/// <summary>
/// Opens connections with the settings that the store's promises rest on: a pool for reading, whose sessions cannot write, and sessions of
/// their own for the writer and for roles, which hold advisory locks and so must never go back to a pool.
/// </summary>
internal sealed class PostgresConnections : IAsyncDisposable
{
    /// <summary>The schema that everything stands in.</summary>
    public const string Schema = "keyservice";

    private const int ConnectSeconds = 5;
    private const int KeepAliveSeconds = 10;

    private readonly PostgresStoreOptions _options;

    public PostgresConnections(PostgresStoreOptions options)
    {
        _options = options;
        Instance = $"{Guid.NewGuid():N}"[..16];
        Readers = Source("reader", settings =>
        {
            settings.Pooling = true;
            settings.MaxPoolSize = options.PoolSize;
            settings.Options = "-c default_transaction_read_only=on";
        });
        Sessions = Source(WriterName, settings =>
        {
            // A statement that takes longer than this is one that nobody answers any more. No polite cancellation, which would be answered
            // no more than the statement: the session is given up, and the next one ends what is left of it.
            settings.CommandTimeout = Math.Max(2, (int)options.RetryTime.TotalSeconds / 3);
            settings.CancellationTimeout = -1;
        });
        Roles = Source("role", settings => settings.CommandTimeout = ConnectSeconds);
        // Silence is the rule here: without a question now and then a lost connection would look like it.
        Listeners = Source("listener", settings => settings.KeepAlive = KeepAliveSeconds);
    }

    /// <summary>Tells this store's sessions from those of other servers.</summary>
    public string Instance { get; }

    /// <summary>Pooled, read-only.</summary>
    public NpgsqlDataSource Readers { get; }

    /// <summary>The writer's.</summary>
    public NpgsqlDataSource Sessions { get; }

    public NpgsqlDataSource Roles { get; }

    public NpgsqlDataSource Listeners { get; }

    /// <summary>The application name of the writer's session, in full.</summary>
    public string WriterApplication => Application(WriterName);

    private const string WriterName = "writer";

    /// <summary>A session for migrations and grants, which may take long.</summary>
    public static NpgsqlConnection OpenForSchema(PostgresStoreOptions options)
    {
        var settings = Settings(options);
        settings.ApplicationName = "keyservice schema";
        settings.CommandTimeout = 0;
        settings.SearchPath = Schema;
        using var source = Build(settings, options);
        return Open(source);
    }

    /// <summary>Opens a session. What keeps it from that on this side, a name that is not known or a file that cannot be read, fails as an answer of the
    /// database does: both pass when somebody mends them.</summary>
    /// <exception cref="NpgsqlException">There is no session.</exception>
    public static NpgsqlConnection Open(NpgsqlDataSource source)
    {
        try
        {
            return source.OpenConnection();
        }
        catch (Exception e) when (OwnFailure(e) is { } failure)
        {
            throw failure;
        }
    }

    /// <inheritdoc cref="Open"/>
    public static async Task<NpgsqlConnection> OpenAsync(NpgsqlDataSource source, CancellationToken cancellationToken)
    {
        try
        {
            return await source.OpenConnectionAsync(cancellationToken);
        }
        catch (Exception e) when (OwnFailure(e) is { } failure)
        {
            throw failure;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Readers.DisposeAsync();
        await Sessions.DisposeAsync();
        await Roles.DisposeAsync();
        await Listeners.DisposeAsync();
    }

    private NpgsqlDataSource Source(string name, Action<NpgsqlConnectionStringBuilder> adjust)
    {
        var settings = Settings(_options);
        settings.ApplicationName = Application(name);
        settings.SearchPath = $"{Schema}, pg_temp";
        settings.MaxAutoPrepare = 64;
        settings.AutoPrepareMinUsages = 2;
        adjust(settings);
        return Build(settings, _options);
    }

    private string Application(string name) => $"keyservice {name} {Instance}";

    private static NpgsqlConnectionStringBuilder Settings(PostgresStoreOptions options) => new()
    {
        Host = options.Host,
        Port = options.Port,
        Database = options.Database,
        Username = options.User,
        SslMode = options.Tls switch
        {
            PostgresTls.None => SslMode.Disable,
            // TLS or nothing. Whose certificate is taken DatabaseCertificate decides, and Npgsql lets it in this mode alone.
            _ => SslMode.Require,
        },
        SslCertificate = options.ClientCertificate,
        SslKey = options.ClientKey,
        GssEncryptionMode = GssEncryptionMode.Disable,
        Timeout = ConnectSeconds,
        HostRecheckSeconds = 1,
        Enlist = false,
        Pooling = false,
    };

    private static NpgsqlDataSource Build(NpgsqlConnectionStringBuilder settings, PostgresStoreOptions options)
    {
        var builder = new NpgsqlDataSourceBuilder(settings.ConnectionString);
        if (options.Tls != PostgresTls.None)
        {
            builder.UseSslClientAuthenticationOptionsCallback(tls => DatabaseCertificate.Demand(tls, options));
        }

        if (options.PasswordFile is { } file)
        {
            // Read at each login, so that a changed password needs no restart.
            builder.UsePasswordProvider(
                _ => PasswordFile.Read(file), (_, _) => ValueTask.FromResult(PasswordFile.Read(file)));
        }

        return options.Host.Contains(',', StringComparison.Ordinal)
            ? builder.BuildMultiHost().WithTargetSession(TargetSessionAttributes.Primary)
            : builder.Build();
    }

    // Npgsql wraps what happens on the wire; these come from before it.
    private static NpgsqlException? OwnFailure(Exception exception) => exception switch
    {
        SocketException or StoreOpenException => new NpgsqlException("A session cannot be opened", exception),
        IOException or UnauthorizedAccessException or CryptographicException => new NpgsqlException(
            "A session cannot be opened",
            new StoreOpenException($"store.postgres.clientCertificate and clientKey cannot be used: {exception.Message.TrimEnd('.')}", exception)),
        _ => null,
    };
}
