using System.Text.Json.Nodes;

namespace KeyService.Tests.Crypto;

/// <summary>Vectors of project Wycheproof, where the shared test data lies beside the repository; skipped otherwise, everywhere: CI may lack them.</summary>
internal static class Wycheproof
{
    internal static IEnumerable<JsonObject> Groups(string file)
    {
        string path = Path.Combine(RepositoryRoot.SharedData, "wycheproof", file);
        Assert.SkipUnless(File.Exists(path), $"Needs Wycheproof's {file} in ../shared/data/wycheproof (or KEYSERVICE_SHARED_DATA).");
        return JsonNode.Parse(File.ReadAllText(path))!["testGroups"]!.AsArray().Select(group => group!.AsObject());
    }
}
