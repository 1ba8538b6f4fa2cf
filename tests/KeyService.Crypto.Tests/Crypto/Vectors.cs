using System.Text.Json.Nodes;
using KeyService.Crypto;

namespace KeyService.Tests.Crypto;

/// <summary>The language-neutral vectors of tests/vectors. An empty list is a failure, not a success.</summary>
internal static class Vectors
{
    internal static JsonObject Load(string file) =>
        JsonNode.Parse(File.ReadAllText(Path.Combine(RepositoryRoot.Path, "tests", "vectors", file)))!.AsObject();

    internal static IReadOnlyList<JsonObject> List(string file, string list)
    {
        JsonObject[] vectors = [.. Load(file)[list]!.AsArray().Select(vector => vector!.AsObject())];
        Assert.NotEmpty(vectors);
        return vectors;
    }

    internal static string Text(this JsonObject vector, string name) => vector[name]!.GetValue<string>();

    internal static byte[] Bytes(this JsonObject vector, string name) => Convert.FromHexString(vector.Text(name));

    internal static int Number(this JsonObject vector, string name) => vector[name]!.GetValue<int>();

    internal static EncryptionContext Context(this JsonObject vector) => EncryptionContext.Create(vector.Pairs("context"));

    internal static IEnumerable<KeyValuePair<string, string>> Pairs(this JsonObject vector, string name) =>
        vector[name]!.AsArray().Select(pair => KeyValuePair.Create(pair![0]!.GetValue<string>(), pair[1]!.GetValue<string>()));
}
