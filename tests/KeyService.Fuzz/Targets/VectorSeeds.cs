using System.Text;
using System.Text.Json.Nodes;
using KeyService.Fuzz.Engine;

namespace KeyService.Fuzz.Targets;

/// <summary>Seeds out of tests/vectors: the bytes that stand there in hexadecimal, or the texts.</summary>
internal static class VectorSeeds
{
    /// <param name="file">Without ".json".</param>
    /// <param name="member">Which member holds the bytes.</param>
    /// <param name="lists">Which lists.</param>
    public static IEnumerable<(string Name, byte[] Input)> Hex(string file, string member, params string[] lists) =>
        Of(file, member, lists).Select(seed => (seed.Name, Convert.FromHexString(seed.Text)));

    public static IEnumerable<(string Name, byte[] Input)> Text(string file, string member, params string[] lists) =>
        Of(file, member, lists).Select(seed => (seed.Name, Encoding.UTF8.GetBytes(seed.Text)));

    public static IEnumerable<(string Name, byte[] Input)> Texts(params string[] texts) =>
        texts.Select((text, index) => ($"{index}", Encoding.UTF8.GetBytes(text)));

    public static JsonObject Load(string file) =>
        JsonNode.Parse(File.ReadAllText(Path.Combine(Corpus.RepositoryRoot(), "tests", "vectors", file + ".json")))!.AsObject();

    private static IEnumerable<(string Name, string Text)> Of(string file, string member, string[] lists) =>
        from list in lists
        from vector in Load(file)[list]!.AsArray()
        let text = vector![member]!.GetValue<string>()
        where text.Length <= 16_384
        select (Plain(vector["name"]!.GetValue<string>()), text);

    private static string Plain(string name) => new([.. name.ToLowerInvariant().Select(c => char.IsAsciiLetterOrDigit(c) ? c : '-')]);
}
