namespace KeyService.Server.Storage.Postgres;

/// <summary>Settings of the PostgreSQL store: how it is reached, and what its writer may take.</summary>
internal sealed record PostgresStoreOptions
{
    /// <summary>Host name, address or directory of a Unix socket; several, separated by commas, are one cluster of which the primary is
    /// looked for.</summary>
    public required string Host { get; init; }

    public int Port { get; init; } = 5432;

    public required string Database { get; init; }

    /// <summary>The role that the service logs in as.</summary>
    public required string User { get; init; }

    /// <summary>A file with the role's password in its first line, read at each login; null when the server asks for none.</summary>
    public string? PasswordFile { get; init; }

    public PostgresTls Tls { get; init; } = PostgresTls.VerifyFull;

    /// <summary>PEM: the CAs that the server's certificate must come from; null for those of the machine.</summary>
    public string? RootCertificate { get; init; }

    /// <summary>PEM: certificate and key that the service logs in with; both or neither.</summary>
    public string? ClientCertificate { get; init; }

    public string? ClientKey { get; init; }

    /// <summary>Connections for reading at most.</summary>
    public int PoolSize { get; init; } = 16;

    /// <summary>How long a commit is tried again while the database does not answer, before its callers are told so.</summary>
    public TimeSpan RetryTime { get; init; } = TimeSpan.FromSeconds(15);

    public StoreMode Mode { get; init; } = StoreMode.ReadWrite;

    /// <summary>Commits that may wait for the writer; more are refused.</summary>
    public int QueueCapacity { get; init; } = 8192;

    /// <summary>Commits that share one transaction at most.</summary>
    public int MaxGroupSize { get; init; } = 1000;

    /// <summary>How the store is called in messages: no secret is in it.</summary>
    public string Description => $"postgres://{User}@{(Host.StartsWith('/') ? $"[{Host}]" : Host)}:{Port}/{Database}";
}

/// <summary>What is demanded of the connection to PostgreSQL.</summary>
internal enum PostgresTls
{
    /// <summary>TLS, a certificate of the known CAs that names the host.</summary>
    VerifyFull,

    /// <summary>TLS, a certificate of the known CAs.</summary>
    VerifyCa,

    /// <summary>No TLS: over a Unix socket or loopback only.</summary>
    None,
}
