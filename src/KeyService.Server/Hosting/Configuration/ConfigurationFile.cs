using System.Buffers;
using System.Net;
using System.Text.Json;
using KeyService.Hsm;
using KeyService.Server.Access;
using KeyService.Server.AccessReviews;
using KeyService.Server.Ceremonies;
using KeyService.Server.Oidc;
using KeyService.Server.Audit.Sinks;
using KeyService.Server.Detection;
using KeyService.Server.Evidence;
using KeyService.Server.Rotation;
using KeyService.Server.Storage.Postgres;
using KeyService.Server.Audit.Retention;
using KeyService.Server.Backups;

namespace KeyService.Server.Hosting;

/// <summary>Reads the configuration file, strictly: an unknown key, a wrong type or a missing one is an error with its name.</summary>
internal static class ConfigurationFile
{
    private const int MaxBytes = 1024 * 1024;

    private static readonly SearchValues<char> DestinationNames = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789-");

    /// <summary>Every key there is, "section.key".</summary>
    internal static IReadOnlyList<string> Keys { get; } = KnownKeys();

    /// <exception cref="ConfigurationException">With every finding.</exception>
    public static ServerConfiguration Load(string path)
    {
        path = Path.GetFullPath(path);
        string text;
        try
        {
            if (new FileInfo(path) is { Exists: true, Length: > MaxBytes })
                throw new ConfigurationException(path, ["The file is larger than 1 MiB."]);
            text = File.ReadAllText(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ConfigurationException(path, [$"The file cannot be read: {exception.Message}"]);
        }
        return Parse(path, text);
    }

    /// <param name="path">Where the text stands: relative paths count from there.</param>
    /// <param name="text">JSON; comments and trailing commas are allowed.</param>
    /// <exception cref="ConfigurationException">With every finding.</exception>
    public static ServerConfiguration Parse(string path, string text)
    {
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(
                text, new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
        }
        catch (JsonException exception)
        {
            throw new ConfigurationException(path, [$"Not JSON, line {exception.LineNumber + 1}: {exception.Message}"]);
        }
        using (document)
        {
            var findings = new List<string>();
            var root = new ConfigurationSection("", document.RootElement, Path.GetDirectoryName(path)!, findings);
            var configuration = Read(path, root);
            root.Finish();
            return findings.Count == 0 ? configuration : throw new ConfigurationException(path, findings);
        }
    }

    // What is asked for is what is known: an empty file is asked for everything.
    private static List<string> KnownKeys()
    {
        using var empty = JsonDocument.Parse("{}");
        var known = new List<string>();
        Read("/", new ConfigurationSection("", empty.RootElement, "/", [], known));
        return known;
    }

    private static ServerConfiguration Read(string path, ConfigurationSection root)
    {
        var profile = root.Choice("profile", ServerProfile.Development,
            ("development", ServerProfile.Development), ("production", ServerProfile.Production));
        if (profile == ServerProfile.Production)
            root.Find("profile",
                "cannot be \"production\" yet: what it demands of module, store and people is not checked as a whole in this version; use \"development\"");
        var listen = ReadListen(root.Section("listen"));
        if (listen is { Tcp: null, UnixSocket: null })
            root.Find("listen", "names neither \"tcp\" nor \"unixSocket\": nobody could call");
        if (listen.Tcp is not null && !root.Has("tls"))
            root.Find("tls", "is missing: TCP is always mutual TLS");
        var tls = root.Section("tls");
        var (sqlite, postgres) = ReadStore(root.Section("store"));
        return new ServerConfiguration
        {
            FilePath = path,
            Profile = profile,
            DataDirectory = root.File("dataDirectory") ?? Path.GetDirectoryName(path)!,
            Listen = listen,
            Tls = ReadTls(tls, isThere: root.Has("tls")),
            Hsm = ReadHsm(root.Section("hsm")),
            SqlitePath = sqlite,
            Postgres = postgres,
            Telemetry = ReadTelemetry(root.Section("telemetry")),
            Limits = ReadLimits(root.Section("limits")),
            People = ReadPeople(root.Section("people"), profile),
            BreakGlass = ReadBreakGlass(root.Section("breakGlass")),
            Rotation = ReadRotation(root.Section("rotation")),
            Audit = AuditSection.Read(root.Section("audit")),
            Alarms = ReadAlarms(root.Section("alarms")),
            Backup = ReadBackup(root.Section("backup")),
            Access = ReadAccess(root.Section("access")),
            AccessReview = AccessReviewConfiguration.Read(root.Section("accessReview")),
            Ceremonies = CeremonyConfiguration.Read(root.Section("ceremonies")),
            Oidc = ReadOidc(root.Section("oidc"), isThere: root.Has("oidc")),
            Retention = ReadRetention(root.Section("retention")),
            Sinks = SinksConfiguration.Read(root.Section("sinks")),
            Evidence = EvidenceConfiguration.Read(root.Section("evidence")),
            Detection = DetectionConfiguration.Read(root.Section("detection"), isThere: root.Has("detection")),
        };
    }

    private static ListenConfiguration ReadListen(ConfigurationSection section)
    {
        IPEndPoint? tcp = null;
        if (section.Text("tcp") is { } text
            && (!IPEndPoint.TryParse(text, out tcp) || !text.Contains(':', StringComparison.Ordinal) || tcp.Port == 0))
            section.Find("tcp", "must be an address and a port, for example \"127.0.0.1:8443\" or \"[::]:8443\"");
        var socket = section.File("unixSocket");
        var mode = section.Choice("unixSocketMode", UnixModes.OwnerAndGroup,
            ("0600", UnixModes.Owner), ("0660", UnixModes.OwnerAndGroup), ("0666", UnixModes.Everybody));
        section.Finish();
        return new ListenConfiguration(tcp, socket, mode);
    }

    private static TlsConfiguration? ReadTls(ConfigurationSection section, bool isThere)
    {
        if (!isThere)
        {
            section.Know("certificate", "privateKey", "clientCa", "crl", "expiredCrl");
            return null;
        }
        var tls = new TlsConfiguration(
            section.RequiredFile("certificate"), section.RequiredFile("privateKey"), section.RequiredFile("clientCa"))
        {
            CrlPaths = section.Files("crl"),
            RefusesExpiredCrl = section.Choice("expiredCrl", true, ("refuse", true), ("accept", false)),
        };
        section.Finish();
        return tls;
    }

    private static HsmConfiguration ReadHsm(ConfigurationSection section)
    {
        var label = section.Text("tokenLabel");
        var serial = section.Text("tokenSerial");
        if (label is null && serial is null)
            section.Find("tokenLabel", "is missing (or give \"tokenSerial\")");
        var pinFile = section.File("pinFile");
        var pinDescriptor = section.OptionalWhole("pinDescriptor", 0, 1023);
        if (pinFile is null == pinDescriptor is null)
            section.Find("pinFile", "or \"pinDescriptor\": give one of the two");
        var hsm = new HsmConfiguration
        {
            ModulePath = section.RequiredFile("module"),
            TokenLabel = label,
            TokenSerial = serial,
            PinFile = pinFile,
            PinDescriptor = pinDescriptor,
            NssParameters = section.Text("nssParameters"),
            MaxConcurrency = section.OptionalWhole("maxConcurrency", 1, 256),
            MaxLoadedKeks = section.Whole("maxLoadedKeks", 1, 1_000_000, 10_000),
            WatchdogTimeout = TimeSpan.FromSeconds(section.Whole("watchdogSeconds", 1, 600, 5)),
        };
        section.Finish();
        return hsm;
    }

    private static (string? Sqlite, PostgresStoreOptions? Postgres) ReadStore(ConfigurationSection section)
    {
        var path = section.File("sqlite");
        var postgres = PostgresConfiguration.Read(section.Section("postgres"), isThere: section.Has("postgres"));
        if (section.Has("sqlite") == section.Has("postgres"))
            section.Find("sqlite", "or \"postgres\": give one of the two");
        section.Finish();
        return (path, postgres);
    }

    private static TelemetryConfiguration ReadTelemetry(ConfigurationSection section)
    {
        Uri? endpoint = null;
        if (section.Text("otlpEndpoint") is { } text
            && (!Uri.TryCreate(text, UriKind.Absolute, out endpoint) || endpoint.Scheme is not ("http" or "https")))
        {
            section.Find("otlpEndpoint", "must be a URL, for example \"http://127.0.0.1:4317\"");
        }
        var telemetry = new TelemetryConfiguration(
            endpoint,
            section.Choice("otlpProtocol", OtlpTransport.Grpc, ("grpc", OtlpTransport.Grpc), ("http/protobuf", OtlpTransport.HttpProtobuf)),
            section.Ratio("traceRatio", 1),
            TimeSpan.FromSeconds(section.Whole("metricSeconds", 1, 3600, 30)));
        section.Finish();
        return telemetry;
    }

    private static PeopleConfiguration ReadPeople(ConfigurationSection section, ServerProfile profile)
    {
        var people = new PeopleConfiguration(
            section.Choice("secondFactor", profile == ServerProfile.Production, ("required", true), ("optional", false)));
        section.Finish();
        return people;
    }

    private static BreakGlassConfiguration ReadBreakGlass(ConfigurationSection section)
    {
        var defaults = new BreakGlassConfiguration();
        var permissions = new SortedSet<Permission>();
        foreach (var name in section.Texts("permissions"))
        {
            if (Permissions.TryParse(name, out var permission) && BreakGlassConfiguration.MayGive(permission))
                permissions.Add(permission);
            else
                section.Find("permissions", $"must be of {string.Join(", ", Enum.GetValues<Permission>().Where(BreakGlassConfiguration.MayGive).Select(Permissions.NameOf))}");
        }
        var keys = defaults.Keys;
        if (section.Text("keys") is { } text && !KeyPattern.TryParse(text, out keys))
            section.Find("keys", "must be a key's name, a name followed by /*, or *");
        var breakGlass = new BreakGlassConfiguration
        {
            Permissions = permissions.Count > 0 ? [.. permissions] : defaults.Permissions,
            Keys = keys,
            Length = TimeSpan.FromMinutes(section.Whole("minutes", 1, 60, 60)),
        };
        section.Finish();
        return breakGlass;
    }

    private static RotationConfiguration ReadRotation(ConfigurationSection section)
    {
        var defaults = new RotationConfiguration();
        var rotation = new RotationConfiguration
        {
            PerMinute = section.Whole("perMinute", 1, 100_000, defaults.PerMinute),
            LookSeconds = section.Whole("lookSeconds", 1, 3600, defaults.LookSeconds),
        };
        section.Finish();
        return rotation;
    }

    private static AccessConfiguration ReadAccess(ConfigurationSection section)
    {
        var access = new AccessConfiguration
        {
            Separation = section.Choice("separation", SeparationLevel.Standard, ("standard", SeparationLevel.Standard), ("strict", SeparationLevel.Strict)),
        };
        section.Finish();
        return access;
    }

    private static OidcConfiguration? ReadOidc(ConfigurationSection section, bool isThere)
    {
        if (!isThere)
        {
            section.Know("issuer", "audience", "ca", "tokenType", "keySeconds", "clockSkewSeconds");
            return null;
        }
        var issuer = section.RequiredText("issuer");
        if (issuer.Length > 0 && (!Uri.TryCreate(issuer, UriKind.Absolute, out var url) || !IssuerKeys.IsSafe(url) || url.Query.Length > 0 || url.Fragment.Length > 0
            || !Credential.TryOfOidc(issuer, "any", out _)))
        {
            section.Find("issuer", "must be a URL that begins with https:// (http:// on a loopback address only), without user name, query and fragment");
        }
        var oidc = new OidcConfiguration(
            issuer, section.RequiredText("audience"), section.File("ca"),
            section.Choice("tokenType", false, ("at+jwt", false), ("any", true)),
            TimeSpan.FromSeconds(section.Whole("keySeconds", 600, 604_800, 86_400)),
            TimeSpan.FromSeconds(section.Whole("clockSkewSeconds", 0, 120, 30)));
        section.Finish();
        return oidc;
    }

    private static AlarmsConfiguration ReadAlarms(ConfigurationSection section)
    {
        var webhook = ReadWebhook(section.Section("webhook"), isThere: section.Has("webhook"));
        var alarms = new AlarmsConfiguration(webhook, TimeSpan.FromSeconds(section.Whole("repeatSeconds", 60, 604_800, 14_400)));
        section.Finish();
        return alarms;
    }

    private static WebhookConfiguration? ReadWebhook(ConfigurationSection section, bool isThere)
    {
        if (!isThere)
        {
            section.Know("url", "secretFile", "ca");
            return null;
        }
        if (!section.Has("url"))
            section.Find("url", "is missing");
        var url = section.Url("url");
        var secretFile = section.RequiredFile("secretFile");
        var ca = section.File("ca");
        section.Finish();
        return url is null ? null : new WebhookConfiguration(url, secretFile, ca);
    }

    private static LimitsConfiguration ReadLimits(ConfigurationSection section)
    {
        var defaults = new LimitsConfiguration();
        var limits = new LimitsConfiguration
        {
            ConcurrentCalls = section.Whole("concurrentCalls", 1, 100_000, defaults.ConcurrentCalls),
            ConcurrentStreams = section.Whole("concurrentStreams", 1, 10_000, defaults.ConcurrentStreams),
            ConcurrentListeners = section.Whole("concurrentListeners", 1, 100_000, defaults.ConcurrentListeners),
            CachedKeyVersions = section.Whole("cachedKeyVersions", 100, 1_000_000, defaults.CachedKeyVersions),
            Connections = section.Whole("connections", 1, 1_000_000, defaults.Connections),
            Handshakes = section.Whole("handshakes", 1, 100_000, defaults.Handshakes),
            StreamIdleSeconds = section.Whole("streamIdleSeconds", 1, 86_400, defaults.StreamIdleSeconds),
            ShutdownSeconds = section.Whole("shutdownSeconds", 0, 600, defaults.ShutdownSeconds),
            ClockToleranceSeconds = section.Whole("clockToleranceSeconds", 1, 3600, defaults.ClockToleranceSeconds),
        };
        section.Finish();
        return limits;
    }

    private static BackupConfiguration ReadBackup(ConfigurationSection section)
    {
        var defaults = new BackupConfiguration();
        List<BackupDestinationConfiguration> destinations = [.. section.Sections("destinations").Select(ReadDestination)];
        if (destinations.DistinctBy(each => each.Name).Count() < destinations.Count
            || destinations.DistinctBy(each => each.Directory).Count() < destinations.Count)
        {
            section.Find("destinations", "must each have a name and a directory of their own");
        }

        var backup = new BackupConfiguration
        {
            Gate = section.Choice("gate", defaults.Gate, ("on", true), ("off", false)),
            Required = section.Whole("required", 1, 16, defaults.Required),
            Destinations = destinations,
            Interval = TimeSpan.FromSeconds(section.Whole("intervalSeconds", 1, 86_400, (int)defaults.Interval.TotalSeconds)),
            FullEvery = TimeSpan.FromHours(section.Whole("fullEveryHours", 1, 744, (int)defaults.FullEvery.TotalHours)),
        };
        if (backup.Gate && backup.Required > destinations.Count)
            section.Find("required", $"asks for {backup.Required} destinations and {destinations.Count} are named: the gate could never open");
        section.Finish();
        return backup;
    }

    private static RetentionConfiguration ReadRetention(ConfigurationSection section)
    {
        var retention = new RetentionConfiguration(
            section.Whole("years", RetentionConfiguration.LeastYears, RetentionConfiguration.MostYears, RetentionConfiguration.LeastYears),
            section.Whole("archiveDueDays", 0, RetentionConfiguration.MostDueDays, 0));
        section.Finish();
        return retention;
    }

    private static BackupDestinationConfiguration ReadDestination(ConfigurationSection section)
    {
        var name = section.RequiredText("name");
        if (name.Length > 64 || name.AsSpan().ContainsAnyExcept(DestinationNames))
            section.Find("name", "must be 1 to 64 characters of a-z, 0-9 and -");
        var destination = new BackupDestinationConfiguration(name, section.RequiredFile("directory"));
        section.Finish();
        return destination;
    }
}
