using System.Text.Json;
using System.Text.Json.Serialization;
using KeyService.Crypto.IO;
using KeyService.Hsm;

namespace KeyService.Cli.Ceremonies;

/// <summary>What was settled before the ceremony. It lies beside the transcript, so that the ceremony can be taken up again; nothing in it is secret.</summary>
internal sealed record CeremonyPlan
{
    public required string Kind { get; init; }

    public required bool IsRehearsal { get; init; }

    public required IReadOnlyList<CeremonyPerson> People { get; init; }

    /// <summary>Shares that will be needed.</summary>
    public int Threshold { get; init; }

    public HsmConfiguration? Token { get; init; }

    /// <summary>To wipe a scratch token with.</summary>
    public string? OfficerPinFile { get; init; }

    /// <summary>Public keys of other tokens that get the backup key too.</summary>
    public IReadOnlyList<string> TransferKeys { get; init; } = [];

    /// <summary>Who signs with which key file.</summary>
    public IReadOnlyDictionary<string, string> SigningKeys { get; init; } = new Dictionary<string, string>();

    /// <summary>RSA keys of custodians who take their share encrypted.</summary>
    public IReadOnlyDictionary<string, string> ShareKeys { get; init; } = new Dictionary<string, string>();

    /// <summary>Command that prints shares, program first; none where they are written by hand.</summary>
    // A plan of a version before has none, and its reader gives null for what is not there.
    public IReadOnlyList<string> SharePrinter { get; init => field = value ?? []; } = [];

    /// <summary>Transcript of the ceremony that made the backup key.</summary>
    public string? Genesis { get; init; }

    public IReadOnlyList<string> Bundles { get; init; } = [];

    /// <summary>Public key (PEM) that must have signed the bundles.</summary>
    public string? BundleKey { get; init; }

    /// <summary>Files that belong to what is decided.</summary>
    public IReadOnlyList<string> Documents { get; init; } = [];

    /// <summary>Things that are destroyed, each as people call it.</summary>
    public IReadOnlyList<string> Copies { get; init; } = [];

    /// <summary>Where copies go.</summary>
    public IReadOnlyList<string> Destinations { get; init; } = [];

    /// <summary>What the server's restore is given beside bundles and key.</summary>
    public IReadOnlyList<string> ServerArguments { get; init; } = [];

    /// <summary>Files that must be there before anybody begins.</summary>
    [JsonIgnore]
    public IEnumerable<string> Files => new[] { Token?.ModulePath, Token?.PinFile, OfficerPinFile, Genesis, BundleKey }.OfType<string>()
        .Concat(TransferKeys).Concat(SigningKeys.Values).Concat(ShareKeys.Values).Concat(SharePrinter.Take(1)).Concat(Bundles).Concat(Documents);

    public static CeremonyPlan Load(string path) => JsonSerializer.Deserialize(File.ReadAllBytes(path), CeremonyPlanJson.Default.CeremonyPlan)!;

    public void Save(string path) => DurableFile.WriteAllBytes(
        path, JsonSerializer.SerializeToUtf8Bytes(this, CeremonyPlanJson.Default.CeremonyPlan), UnixFileMode.UserRead | UnixFileMode.UserWrite);
}

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(CeremonyPlan))]
internal sealed partial class CeremonyPlanJson : JsonSerializerContext;
