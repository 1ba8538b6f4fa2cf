using System.Buffers;
using System.Reflection;
using KeyService.Fuzz.Engine;
using KeyService.Fuzz.Targets;

namespace KeyService.Tests.Fuzzing;

/// <summary>No parser without a target, no target without a corpus.</summary>
public sealed class FuzzCoverageTests
{
    private static readonly string[] Assemblies =
        ["KeyService.Crypto", "KeyService.Hsm", "KeyService.Grpc", "KeyService.Protocol", "KeyService.Server", "KeyService.Client", "keyservice"];

    private static readonly string[] Verbs = ["Parse", "TryParse", "Read", "TryRead", "Decode", "TryDecode", "Load"];

    private static readonly Type[] Raw =
        [typeof(string), typeof(byte[]), typeof(ReadOnlySpan<byte>), typeof(ReadOnlySpan<char>), typeof(ReadOnlyMemory<byte>), typeof(ReadOnlySequence<byte>)];

    /// <summary>What reads bytes or text and is no parser of anything from outside, and why.</summary>
    private static readonly Dictionary<string, string> NoParsers = new()
    {
        ["KeyService.Hsm.Login.PinSource"] = "a PIN is taken as it is",
        ["KeyService.Hsm.TokenProvisioning"] = "a PIN is taken as it is",
        ["KeyService.Server.Storage.Postgres.PasswordFile"] = "a password is taken as it is",
        ["KeyService.Hsm.Pkcs11.Pkcs11Module"] = "loads a module by its path",
        ["KeyService.Cli.CommandLine.ProfileLocation"] = "hands on to ClientProfile",
        ["KeyService.Hsm.Pkcs11.DynamicLoader"] = "loads a module by its path",
        ["KeyService.Server.Hosting.TlsMaterial"] = "PEM, read by the base class library",
        ["KeyService.Client.Internal.AccessTokenMetadata"] = "a token is taken as it is",
        ["KeyService.Client.Internal.PemFiles"] = "PEM, read by the base class library",
        ["KeyService.Cli.Archives.DecryptCommand"] = "hands on to ContextPairs",
        ["KeyService.Cli.Ceremonies.CeremonyOptions"] = "a name, a sign, a text of the command line",
        ["KeyService.Cli.Ceremonies.CeremonyPlan"] = "JSON, read by the base class library",
        ["KeyService.Cli.Ceremonies.SharePrinter"] = "a command line of who holds the ceremony, split by System.CommandLine",
        ["KeyService.Cli.Ceremonies.ShareRecord"] = "hands on to Transcript",
        ["KeyService.Client.FieldEncryption"] = "hands on to FieldToken",
        ["KeyService.Cli.Ceremonies.TranscriptCommands"] = "hands on to Transcript",
        ["KeyService.Cli.Adopt.SourceForms"] = "one of a few words",
        ["KeyService.Cli.Doctor.ProfileCheck"] = "hands on to ClientProfile",
        ["KeyService.Cli.Campaigns.HoldingColumn"] = "base64 of nine bytes, read by the base class library",
        ["KeyService.Server.AccessReviews.ReviewScope"] = "a column of a verified row",
        ["KeyService.Server.Detection.DetectionRow"] = "a column of a verified row",
        ["KeyService.Server.Detection.DetectionState"] = "JSON of a verified row, read by the base class library",
        ["KeyService.Server.Detection.DetectionRules"] = "one of a few words",
        ["KeyService.Server.Detection.Months"] = "a month, read by the base class library",
        ["KeyService.Server.Audit.CompromisedVersions"] = "a sentence at the end of a record's detail, found by an expression of the base class library",
        ["KeyService.Server.Holdings.VersionList"] = "a column of a verified row, handed on to KeyVersionId",
    };

    [Fact]
    public void Every_parser_of_ours_has_a_target()
    {
        HashSet<Type> covered = [.. FuzzTargets.All.SelectMany(target => target.Parsers)];
        string[] missing =
        [
            .. Assemblies.SelectMany(name => Assembly.Load(name).GetTypes())
                .Where(type => type.Namespace?.StartsWith("KeyService.", StringComparison.Ordinal) == true && type.Namespace != "KeyService.Protocol.V1" && !type.Name.StartsWith('<'))
                .Where(type => type.DeclaringType is null && !type.IsGenericType || type.IsGenericTypeDefinition)
                .Where(type => type.GetMethods(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly).Any(IsParser))
                .Where(type => !covered.Contains(type) && !NoParsers.ContainsKey(type.FullName!))
                .Select(type => type.FullName!).Order(StringComparer.Ordinal),
        ];
        Assert.True(missing.Length == 0, $"Parsers without a fuzz target: {string.Join(", ", missing)}. Register them in tests/KeyService.Fuzz/Targets, or say here why they are none.");
    }

    [Fact]
    public void Every_corpus_belongs_to_a_target_and_has_small_files()
    {
        Assert.Equal(FuzzTargets.All.Select(target => target.Name).Order(StringComparer.Ordinal), Corpus.Folders().Order(StringComparer.Ordinal));
        Assert.All(FuzzTargets.All, target => Assert.All(Corpus.Load(target), input => Assert.True(input.Length <= Math.Max(target.MaxLength, 64), target.Name)));
    }

    [Fact]
    public void The_names_of_targets_are_their_own() => Assert.Equal(FuzzTargets.All.Count, FuzzTargets.All.Select(target => target.Name).Distinct().Count());

    [Fact]
    public void A_target_without_a_corpus_fails()
    {
        var target = new FuzzTarget("no-such-corpus", [], _ => Outcome.Taken());
        Assert.Throws<InvalidOperationException>(() => new FuzzRun(target, 1));
    }

    private static bool IsParser(MethodInfo method) => Verbs.Contains(method.Name) && method.GetParameters() is [var first, ..] && Takes(first.ParameterType);

    private static bool Takes(Type type) => Raw.Contains(type.IsByRef ? type.GetElementType()! : type);
}
