using System.Net;
using KeyService.Hsm;
using KeyService.Server.Access;
using KeyService.Server.AccessReviews;
using KeyService.Server.Ceremonies;
using KeyService.Server.Oidc;
using KeyService.Server.Audit;
using KeyService.Server.Audit.Sinks;
using KeyService.Server.Detection;
using KeyService.Server.Evidence;
using KeyService.Server.Rotation;
using KeyService.Server.Storage.Postgres;
using KeyService.Server.Audit.Retention;
using KeyService.Server.Backups;

namespace KeyService.Server.Hosting;

/// <summary>What the server runs by: one strict JSON file, every key in docs/spec/configuration.md. Paths are absolute here.</summary>
internal sealed record ServerConfiguration
{
    /// <summary>The file it was read from.</summary>
    public required string FilePath { get; init; }

    public required ServerProfile Profile { get; init; }

    /// <summary>Where the server keeps what it makes beside the store.</summary>
    public required string DataDirectory { get; init; }

    public required ListenConfiguration Listen { get; init; }

    /// <summary>Null only when nothing listens on TCP.</summary>
    public required TlsConfiguration? Tls { get; init; }

    public required HsmConfiguration Hsm { get; init; }

    /// <summary>The embedded store's file; null when the store is PostgreSQL.</summary>
    public required string? SqlitePath { get; init; }

    /// <summary>Null when the store is embedded.</summary>
    public required PostgresStoreOptions? Postgres { get; init; }

    /// <summary>Where the store is, for messages.</summary>
    public string StoreName => SqlitePath ?? Postgres!.Description;

    /// <summary>The key that names the store, for messages.</summary>
    public string StoreKey => SqlitePath is null ? "store.postgres" : "store.sqlite";

    public required TelemetryConfiguration Telemetry { get; init; }

    public required LimitsConfiguration Limits { get; init; }

    public required PeopleConfiguration People { get; init; }

    public required BreakGlassConfiguration BreakGlass { get; init; }

    public required RotationConfiguration Rotation { get; init; }

    public required AuditConfiguration Audit { get; init; }

    public required AlarmsConfiguration Alarms { get; init; }

    public required BackupConfiguration Backup { get; init; }

    public AccessConfiguration Access { get; init; } = new();

    public AccessReviewConfiguration AccessReview { get; init; } = new();

    public CeremonyConfiguration Ceremonies { get; init; } = new();

    public required SinksConfiguration Sinks { get; init; }

    /// <summary>Null when no issuer's access tokens are taken.</summary>
    public OidcConfiguration? Oidc { get; init; }

    public required RetentionConfiguration Retention { get; init; }

    public EvidenceConfiguration Evidence { get; init; } = new(DecisionsFile: null);

    /// <summary>Null: nothing is looked for in the audit log.</summary>
    public required DetectionConfiguration? Detection { get; init; }

    /// <summary>
    /// Where the development profile keeps the backup key's value until ceremonies exist: its name says what it is.
    /// </summary>
    public string DevelopmentBackupKeyPath => Path.Combine(DataDirectory, "backup-key.DEVELOPMENT-ONLY");
}

/// <summary>Embedded and for development, or for real use.</summary>
internal enum ServerProfile
{
    Development,
    Production,
}

/// <summary>Section "listen": at least one of the two.</summary>
internal sealed record ListenConfiguration(IPEndPoint? Tcp, string? UnixSocket, UnixFileMode UnixSocketMode);

/// <summary>Section "tls": PEM files.</summary>
internal sealed record TlsConfiguration(string CertificatePath, string PrivateKeyPath, string ClientCaPath)
{
    /// <summary>Revocation lists of the client CAs and of what they issued; none: nothing is asked of lists.</summary>
    public IReadOnlyList<string> CrlPaths { get; init; } = [];

    /// <summary>What happens under a list whose successor did not come: true refuses, false goes by the old one.</summary>
    public bool RefusesExpiredCrl { get; init; } = true;
}

/// <summary>Section "telemetry": off while the endpoint is null.</summary>
internal sealed record TelemetryConfiguration(Uri? OtlpEndpoint, OtlpTransport Protocol, double TraceRatio, TimeSpan MetricInterval);

/// <summary>How OTLP travels.</summary>
internal enum OtlpTransport
{
    Grpc,
    HttpProtobuf,
}
