using System.Text;
using KeyService.Client;
using KeyService.Fuzz.Engine;
using KeyService.Hsm;
using KeyService.Server.Evidence;
using KeyService.Server.Hosting;
using KeyService.Server.Witness;
using static KeyService.Fuzz.Engine.BrokenPropertyException;

namespace KeyService.Fuzz.Targets;

/// <summary>Files that people write: configuration of the server, client profile, backup key of the development profile.</summary>
internal static class ConfigurationTargets
{
    private static readonly byte[][] Json =
    [
        "{"u8.ToArray(), "}"u8.ToArray(), "["u8.ToArray(), "\""u8.ToArray(), ":"u8.ToArray(), ","u8.ToArray(), "null"u8.ToArray(), "true"u8.ToArray(), "0"u8.ToArray(), "-1"u8.ToArray(), "1e400"u8.ToArray(), "//"u8.ToArray(), "/*"u8.ToArray(),
        "\\u0000"u8.ToArray(), "\\ud800"u8.ToArray(), "{}"u8.ToArray(), "\"\""u8.ToArray(), "\"\\u0000\""u8.ToArray(), "\"\\udfff\""u8.ToArray(),
    ];

    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        new("server-configuration", [typeof(ConfigurationFile)], Server)
        {
            Weight = 0.3, AllocatedAtMost = 1 << 20, AllocatedPerByte = 4096,
            Words = [.. Json, .. ConfigurationFile.Keys.Select(key => Encoding.UTF8.GetBytes($"\"{key[(key.LastIndexOf('.') + 1)..]}\":"))],
            Seeds = ServerSeeds,
        },
        new("decisions-file", [typeof(DecisionsFile)], Decisions)
        {
            Weight = 0.3, AllocatedAtMost = 1 << 20, AllocatedPerByte = 4096,
            Words =
            [
                .. Json, "\"decisions\":"u8.ToArray(), "\"paragraph\":"u8.ToArray(), "\"decision\":"u8.ToArray(), "\"date\":"u8.ToArray(), "\"nextReview\":"u8.ToArray(), "\"164.312(c)(2)\""u8.ToArray(),
                "\"alternative\""u8.ToArray(), "\"2026-10-01\""u8.ToArray(), "\"9999-12-31\""u8.ToArray(),
            ],
            Seeds = () => VectorSeeds.Texts(
                """
                {
                  // The security officer keeps this file.
                  "decisions": [
                    { "paragraph": "164.312(a)(2)(iv)", "safeguard": "Encryption and decryption", "decision": "implemented", "rationale": "All stores.", "decidedBy": "R. Okafor", "date": "2026-10-01", "nextReview": "2027-10-01" },
                    { "paragraph": "164.308(a)(5)(ii)(A)", "safeguard": "Security reminders", "decision": "not-reasonable", "rationale": "x", "decidedBy": "y", "date": "2026-10-01", "nextReview": "2026-10-02", },
                  ]
                }
                """,
                """{ "decisions": [] }""", """{ "decisions": [{ "paragraph": "164.312(d)" }] }""", """{ "decisions": [{ "paragraph": "\ud800", "date": "2026-13-01" }] }""", """{ "decisions": {} }""", "[]", "{}", ""),
        },
        new("witness-configuration", [typeof(WitnessConfiguration)], Witness)
        {
            Weight = 0.3, AllocatedAtMost = 1 << 20, AllocatedPerByte = 4096,
            Words = [.. Json, "\"name\":"u8.ToArray(), "\"listen\":"u8.ToArray(), "\"logs\":"u8.ToArray(), "\"key\":"u8.ToArray(), "\"origin\":"u8.ToArray(), "127.0.0.1:8553"u8.ToArray()],
            Seeds = () => VectorSeeds.Texts(
                """{ "name": "w.example/1", "listen": "127.0.0.1:8553", "keyFile": "key", "stateDirectory": "state", "logs": [{ "key": "plain.example+61dd3509+AclXasczivt3Q2L/8Ha4uczxZ1u5x96W5su+4NHkDaey", "origin": "x" }] }""",
                """{ "name": "w", "listen": "[::]:8553", "tls": { "certificate": "a", "privateKey": "b" }, "keyFile": "key", "stateDirectory": "state", "logs": [] }""",
                """{ "name": "a b", "listen": "here", "logs": 1 }""", "[]", "{}", ""),
        },
        new("client-profile", [typeof(ClientProfile), typeof(Endpoints)], Profile)
        {
            Weight = 0.5, AllocatedAtMost = 1 << 20, AllocatedPerByte = 1024,
            Words = [.. Json, "\"endpoint\":"u8.ToArray(), "\"ca\":"u8.ToArray(), "\"certificate\":"u8.ToArray(), "unix:"u8.ToArray(), "https://"u8.ToArray()],
            Seeds = () => VectorSeeds.Texts(
                """{ "endpoint": "https://127.0.0.1:8443", "ca": "ca.pem", "certificate": "client.pem", "privateKey": "client.key" }""",
                """{ "endpoint": "unix:/run/keyservice.sock", "serverConfig": "../server.json", /* here */ }""",
                """{ "endpoint": "unix:" }""", """{ "endpoint": "a\u0000b" }""", """{ "endpoint": "\ud800" }""", """{ "ca": null, "endpoint": "x" }""", "[]", ""),
        },
        new("endpoint", [typeof(Endpoints)], Endpoint)
        {
            MaxLength = 300, Words = ["https://"u8.ToArray(), "unix:"u8.ToArray(), "http://"u8.ToArray(), "@"u8.ToArray(), "["u8.ToArray(), ":"u8.ToArray(), "/"u8.ToArray()], AllocatedPerByte = 512,
            Seeds = () => VectorSeeds.Texts("https://127.0.0.1:8443", "https://[::1]:8443/", "unix:/run/keyservice.sock", "unix:", "http://x", "https://x/path", "https://x?q", "https://user@x", "x"),
        },
        new("backup-key-file", [typeof(BackupKeyFile)], BackupKey)
        {
            MaxLength = 400, Weight = 0.05, Words = ["\n"u8.ToArray(), "\r"u8.ToArray(), "0"u8.ToArray(), "g"u8.ToArray()], Seeds = BackupKeySeeds,
        },
    ];

    private static Outcome Decisions(byte[] input)
    {
        try
        {
            IReadOnlyList<SafeguardDecision> decisions = DecisionsFile.Parse("/etc/keyservice/decisions.json", Encoding.UTF8.GetString(input));
            Unless(decisions.Count <= DecisionsFile.MaxDecisions && decisions.All(each => each.Date < each.NextReview && each.Rationale.Length > 0), "what is taken is whole");
            Unless(decisions.All(each => !each.Paragraph.StartsWith(AddressableSafeguard.Section, StringComparison.Ordinal) || AddressableSafeguard.All.Any(one => one.Paragraph == each.Paragraph)), "what is required is not decided on");
            IReadOnlyList<DecisionStanding> standings = DecisionStanding.Of(decisions, new DateOnly(2026, 11, 29));
            Unless(standings.Count(each => each.Decision is not null) == decisions.Count, "each decision stands in one line");
            Unless(AddressableSafeguard.All.All(each => standings.Any(one => one.Safeguard.Paragraph == each.Paragraph)), "no safeguard is left out");
            return Outcome.Taken(Outcome.Step(decisions.Count));
        }
        catch (ConfigurationException e)
        {
            return Outcome.Refused(e);
        }
    }

    private static Outcome Witness(byte[] input)
    {
        try
        {
            WitnessConfiguration configuration = WitnessConfiguration.Parse("/etc/keyservice/witness.json", Encoding.UTF8.GetString(input));
            Unless(configuration.Logs.Count > 0, "a witness that is taken knows a log");
            return Outcome.Taken(configuration.Logs.Count);
        }
        catch (ConfigurationException e)
        {
            return Outcome.Refused(e);
        }
    }

    private static Outcome Server(byte[] input)
    {
        try
        {
            ServerConfiguration configuration = ConfigurationFile.Parse("/etc/keyservice/server.json", Encoding.UTF8.GetString(input));
            Unless(configuration.Listen.Tcp is not null || configuration.Listen.UnixSocket is not null, "what is taken listens somewhere");
            Unless(configuration.Listen.Tcp is null || configuration.Tls is not null, "TCP is never taken without TLS");
            return Outcome.Taken((configuration.Tls is null ? 0 : 1) + (configuration.Listen.UnixSocket is null ? 0 : 2) + (configuration.Telemetry.OtlpEndpoint is null ? 0 : 4));
        }
        catch (ConfigurationException e)
        {
            return Outcome.Refused(e);
        }
    }

    private static IEnumerable<(string Name, byte[] Input)> ServerSeeds() => VectorSeeds.Texts(
        """
        {
          "profile": "development", "dataDirectory": "data",
          "listen": { "tcp": "127.0.0.1:8443", "unixSocket": "keyservice.sock", "unixSocketMode": "0660" },
          "tls": { "certificate": "server.pem", "privateKey": "server.key", "clientCa": "ca.pem" },
          "hsm": { "module": "/usr/lib/softhsm/libsofthsm2.so", "tokenLabel": "dev", "pinFile": "pin", "maxConcurrency": 4, "watchdogSeconds": 10 },
          "store": { "sqlite": "keyservice.db" },
          "telemetry": { "otlpEndpoint": "http://127.0.0.1:4317", "otlpProtocol": "grpc", "traceRatio": 0.25, "metricSeconds": 30 },
          "limits": { "concurrentCalls": 100, "concurrentStreams": 10, "streamIdleSeconds": 60, "shutdownSeconds": 0 },
        }
        """,
        """{ "listen": { "unixSocket": "k.sock" }, "hsm": { "module": "m", "tokenSerial": "1", "pinDescriptor": 3 }, "store": { "sqlite": "k.db" } }""",
        """{ "listen": { "unixSocket": "k\u0000" }, "hsm": { "module": "m", "tokenSerial": "1", "pinDescriptor": 3 }, "store": { "sqlite": "k.db" } }""",
        """{ "profile": "\ud800" }""", """{ "\ud800": 1 }""", """{ "limits": { "concurrentCalls": 1e999 }, "telemetry": { "traceRatio": 1e999 } }""", """{ "hsm": [] }""", "{}", "[]", "");

    private static Outcome Profile(byte[] input)
    {
        try
        {
            ClientProfile profile = ClientProfile.Parse("/etc/keyservice/profile.json", input);
            Unless(profile.Endpoint.Length > 0, "what is taken has an endpoint");
            Unless(new[] { profile.CaPath, profile.CertificatePath, profile.PrivateKeyPath, profile.ServerConfigPath }.All(path => path is null || Path.IsPathRooted(path)), "paths are absolute");
            return Outcome.Taken((profile.CaPath is null ? 0 : 1) + (profile.CertificatePath is null ? 0 : 2) + (profile.ServerConfigPath is null ? 0 : 4));
        }
        catch (KeyServiceException e)
        {
            Unless(e.Reason == ClientReason.Configuration, "a bad profile is a matter of configuration");
            return Outcome.Refused(e);
        }
    }

    private static Outcome Endpoint(byte[] input)
    {
        string text = Encoding.UTF8.GetString(input);
        if (Endpoints.UnixPath(text) is { } path)
        {
            return Outcome.Taken(Outcome.Step(path.Length));
        }
        try
        {
            Uri uri = Endpoints.Https(text);
            Unless(uri.Scheme == Uri.UriSchemeHttps && uri.Host.Length > 0, "cleartext is never spoken");
            return Outcome.Taken(64);
        }
        catch (KeyServiceException e)
        {
            return Outcome.Refused(e);
        }
    }

    private static Outcome BackupKey(byte[] input)
    {
        string path = Path.Combine(Path.GetTempPath(), $"keyservice-fuzz-{Environment.ProcessId}");
        File.WriteAllBytes(path, input);
        try
        {
            using var key = BackupKeyFile.Read(path);
            BackupKeyFile.Write(path, key);
            byte[] again = File.ReadAllBytes(path);
            Unless(Encoding.ASCII.GetString(input).TrimEnd('\n').Equals(Encoding.ASCII.GetString(again).TrimEnd('\n'), StringComparison.OrdinalIgnoreCase), "what is read is written again");
            return Outcome.Taken();
        }
        catch (InvalidDataException)
        {
            return Outcome.Refused(input.AsSpan().StartsWith(BackupKeyFile.Marker) ? 1 : 0);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static IEnumerable<(string Name, byte[] Input)> BackupKeySeeds()
    {
        byte[] digits = Encoding.ASCII.GetBytes(new string('0', 62) + "aF");
        yield return ("written", [.. BackupKeyFile.Marker, (byte)'\n', .. digits, (byte)'\n']);
        yield return ("no-end-of-line", [.. BackupKeyFile.Marker, (byte)'\n', .. digits]);
        yield return ("short", [.. BackupKeyFile.Marker, (byte)'\n', .. digits[2..], (byte)'\n']);
        yield return ("no-marker", [.. digits, (byte)'\n']);
    }
}
