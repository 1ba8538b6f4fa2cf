using System.Text.Json.Nodes;

namespace KeyService.Tests.Crypto;

/// <summary>The worked examples of docs/spec are vectors: a slip of the pen in a document would mislead whoever implements it.</summary>
public sealed class SpecExampleTests
{
    [Theory]
    [InlineData("context", "given out of order", "encoded", "sha256")]
    [InlineData("wrapped-data-key", "data key, field", "kek", "aad", "dataKey", "ciphertext", "tag", "wrapped")]
    [InlineData("field-token", "format 0x11, 16 bytes", "key", "aad", "nonce", "l", "k1", "derivedKey", "derivedNonce", "ciphertext", "tag", "token", "text")]
    [InlineData("field-token", "format 0x12, 16 bytes", "key", "aad", "nonce", "l", "k1", "derivedKey", "ciphertext", "tag", "token")]
    [InlineData("audit-record", "least", "leafHash")]
    [InlineData("audit-record", "before 1970, refused, zero count", "leafHash")]
    [InlineData("audit-record", "two changed rows", "leafHash")]
    [InlineData("row-mac", "each type", "mac")]
    [InlineData("backup-bundle", "least: no key at all", "digest")]
    public void An_example_has_the_bytes_of_its_vector(string name, string vector, params string[] fields)
    {
        string document = File.ReadAllText(Path.Combine(RepositoryRoot.Path, "docs", "spec", $"{name}.md"));
        string packed = string.Concat(document.Where(character => !char.IsWhiteSpace(character)));
        JsonObject source = Vectors.List($"{name}.json", "positive").Single(candidate => candidate.Text("name") == vector);
        Assert.All(fields, field => Assert.Contains(source.Text(field), packed, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("audit-record", "least")]
    [InlineData("audit-record", "before 1970, refused, zero count")]
    [InlineData("audit-record", "two changed rows")]
    [InlineData("row-mac", "each type")]
    [InlineData("backup-bundle", "least: no key at all")]
    [InlineData("associated-data", "data key, general")]
    public void An_example_with_a_remark_on_each_line_has_the_bytes_of_its_vector(string name, string vector)
    {
        JsonObject source = Vectors.List($"{name}.json", "positive").Single(candidate => candidate.Text("name") == vector);
        string expected = source.Text(source.ContainsKey("encoded") ? "encoded" : "aad");
        string document = File.ReadAllText(Path.Combine(RepositoryRoot.Path, "docs", "spec", $"{name}.md"));
        // In the code blocks, the hexadecimal words at the beginning of each line.
        string bytes = string.Concat(document.Split("```").Where((_, index) => index % 2 == 1).SelectMany(block => block.Split('\n'))
            .SelectMany(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries).TakeWhile(IsHex)));
        Assert.Contains(expected, bytes, StringComparison.Ordinal);
    }

    private static bool IsHex(string word) => word.Length % 2 == 0 && word.All(character => char.IsAsciiHexDigitLower(character));
}
