using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using KeyService.Crypto;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Detection;
using KeyService.Server.Storage;
using ConfigurationSection = KeyService.Server.Hosting.ConfigurationSection;

namespace KeyService.Tests.Detection;

/// <summary>
/// The golden streams of tests/vectors/detection: each rule hits exactly where "=>" stands, and nowhere else; also when the rules' memory is
/// written and read again before every record.
/// </summary>
public sealed partial class DetectionStreamTests
{
    public static TheoryData<string> Rules { get; } = [.. Enum.GetValues<DetectionRule>().Select(DetectionRules.NameOf)];

    [Theory]
    [MemberData(nameof(Rules))]
    public void Hits_are_where_they_must_be_and_nowhere_else(string rule)
    {
        var streams = Load(rule);
        Assert.True(streams.Count >= 3, "A rule has streams that hit and streams that stay silent.");
        Assert.Contains(streams, stream => stream.Expected.Any(hits => hits.Contains(rule, StringComparison.Ordinal)));
        Assert.Contains(streams, stream => stream.Expected.All(hits => !hits.Contains(rule, StringComparison.Ordinal)));
        foreach (var stream in streams)
        {
            Assert.True(Run(stream, restart: false) == stream.Text, $"{stream.Name}:\n{Run(stream, restart: false)}\ninstead of\n{stream.Text}");
            Assert.True(Run(stream, restart: true) == stream.Text, $"{stream.Name}, with a restart before each record:\n{Run(stream, restart: true)}");
        }
    }

    [Fact]
    public void There_is_a_file_for_each_rule_and_no_other() => Assert.Equal(
        Enum.GetValues<DetectionRule>().Select(rule => $"{DetectionRules.NameOf(rule)}.txt").Order(),
        Directory.GetFiles(Folder).Select(Path.GetFileName).Order());

    [Fact]
    public void Messages_are_sentences_without_the_context_or_the_reason_of_an_officer()
    {
        foreach (var stream in Enum.GetValues<DetectionRule>().SelectMany(rule => Load(DetectionRules.NameOf(rule))))
        {
            var state = new DetectionState();
            foreach (var hit in stream.Records.SelectMany(record => state.Apply(stream.Configuration, record)))
            {
                Assert.EndsWith(".", hit.Message, StringComparison.Ordinal);
                Assert.DoesNotContain("found in a ticket", hit.Message, StringComparison.Ordinal);
                Assert.InRange(hit.Message.Length, 20, 400);
            }
        }
    }

    [Fact]
    public void Names_and_numbers_of_rules_are_frozen() => Assert.Equal(
        "1 failed-logins, 2 after-hours-access, 3 bulk-export, 4 administrative-privilege, 5 refused-context, 6 compromised-version-used, 7 new-place",
        string.Join(", ", Enum.GetValues<DetectionRule>().Select(rule => $"{(int)rule} {DetectionRules.NameOf(rule)}")));

    /// <summary>Whoever calls under ever new names, from ever new places, fills no memory.</summary>
    [Fact]
    public void What_the_rules_remember_is_bounded()
    {
        var configuration = Read("{}");
        var state = new DetectionState();
        for (var i = 0; i < 5000; i++)
        {
            state.Apply(configuration, Parse($"2026-11-24T02:00:00Z authentication-refused refused source=\"192.0.2.1:1 name-{i}\"", (ulong)i).Record);
            state.Apply(configuration, Parse($"2026-11-24T02:00:00Z field-decrypted success principal=p{i} type=person behalf=b{i} source=192.0.2.1:1", (ulong)i).Record);
            state.Apply(configuration, Parse($"2026-11-24T02:00:00Z field-decrypted refused principal=one type=service source=198.51.{i / 250}.{i % 250}:1 key=k{i} context=yes reason=DECRYPTION_FAILED", (ulong)i).Record);
        }

        Assert.InRange(state.ToBytes().Length, 10_000, 1_000_000);
        Assert.Equal(state.ToBytes(), DetectionState.Parse(state.ToBytes()).ToBytes());
    }

    internal static DetectionConfiguration Read(string section)
    {
        using var json = JsonDocument.Parse(section);
        var findings = new List<string>();
        var configuration = DetectionConfiguration.Read(new ConfigurationSection("detection", json.RootElement, "/", findings), isThere: true);
        Assert.Empty(findings);
        return configuration!;
    }

    internal static (AuditRecord Record, string Hits) Parse(string line, ulong sequence)
    {
        var arrow = line.IndexOf(" => ", StringComparison.Ordinal);
        var facts = Fact().Matches(arrow < 0 ? line : line[..arrow]).Select(match => match.Value).ToList();
        var values = facts.Skip(3).Select(fact => fact.Split('=', 2)).ToDictionary(pair => pair[0], pair => pair[1].Trim('"'));
        string? Value(string name) => values.GetValueOrDefault(name);
        var auditEvent = Enum.GetValues<AuditEvent>().Single(each => AuditEvents.NameOf(each) == facts[1]);
        var record = new AuditRecord
        {
            TimeUnixNanoseconds = UnixTime.Nanoseconds(DateTimeOffset.Parse(facts[0], CultureInfo.InvariantCulture)),
            Slot = 0,
            Sequence = sequence,
            EventId = (ushort)auditEvent,
            Type = AuditEvents.TypeOf(auditEvent),
            Outcome = Enum.Parse<KeyService.Crypto.AuditOutcome>(facts[2], ignoreCase: true),
            Principal = Value("principal"),
            PrincipalType = Value("type"),
            OnBehalfOf = Value("behalf"),
            Source = Value("source"),
            Key = Value("key"),
            KeyVersion = Value("version") is { } version && KeyVersionId.TryParse(version, out var id) ? id : null,
            ContextDigest = Value("context") is null ? null : new byte[32],
            ItemCount = Value("items") is { } items ? ulong.Parse(items, CultureInfo.InvariantCulture) : null,
            Reason = Value("reason"),
            Automated = Value("automated") == "true",
            Detail = Value("detail"),
        };
        Assert.True(Value("type") is not { } type || Enum.GetValues<PrincipalType>().Any(each => PrincipalTypes.NameOf(each) == type), line);
        return (record, arrow < 0 ? "" : line[arrow..]);
    }

    private static string Folder => Path.Combine(RepositoryRoot.Path, "tests/vectors/detection");

    private static string Run(Stream stream, bool restart)
    {
        var state = new DetectionState();
        var text = new StringBuilder();
        foreach (var (index, record) in stream.Records.Index())
        {
            state = restart ? DetectionState.Parse(state.ToBytes()) : state;
            var hits = state.Apply(stream.Configuration, record);
            text.Append(stream.Lines[index]).AppendLine(string.Concat(hits.Select(hit => $" => {DetectionRules.NameOf(hit.Rule)} {hit.Subject}")));
        }

        return text.ToString();
    }

    private static List<Stream> Load(string rule)
    {
        var configuration = Read("{}");
        var streams = new List<Stream>();
        foreach (var line in File.ReadAllLines(Path.Combine(Folder, $"{rule}.txt")).Where(line => line.Length > 0 && line[0] != '#'))
        {
            if (line.StartsWith("config ", StringComparison.Ordinal))
            {
                configuration = Read(line["config ".Length..]);
            }
            else if (line.StartsWith("stream ", StringComparison.Ordinal))
            {
                streams.Add(new Stream(line["stream ".Length..], configuration));
            }
            else
            {
                var (record, hits) = Parse(line, (ulong)streams[^1].Records.Count);
                streams[^1].Records.Add(record);
                streams[^1].Expected.Add(hits);
                streams[^1].Lines.Add(hits.Length == 0 ? line : line[..^hits.Length]);
            }
        }

        return streams;
    }

    [GeneratedRegex("""(?:[^\s"]|"[^"]*")+""")]
    private static partial Regex Fact();

    private sealed record Stream(string Name, DetectionConfiguration Configuration)
    {
        public List<AuditRecord> Records { get; } = [];

        public List<string> Expected { get; } = [];

        public List<string> Lines { get; } = [];

        public string Text => string.Concat(Lines.Select((line, index) => line + Expected[index] + Environment.NewLine));
    }
}
