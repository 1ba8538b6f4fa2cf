using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using KeyService.Crypto;

namespace KeyService.Tests.Crypto;

/// <summary>docs/spec/context.md.</summary>
public sealed class EncryptionContextTests
{
    private const string File = "context.json";

    [Fact]
    public void Every_positive_vector_encodes_to_its_bytes_in_any_order_and_parses_back()
    {
        foreach (JsonObject vector in Vectors.List(File, "positive"))
        {
            KeyValuePair<string, string>[] pairs = [.. vector.Pairs("pairs")];
            byte[] encoded = vector.Bytes("encoded");
            Assert.Equal(encoded, EncryptionContext.Create(pairs).Encoded);
            Assert.Equal(encoded, EncryptionContext.Create(pairs.Reverse()).Encoded);
            Assert.True(EncryptionContext.TryParse(encoded, out EncryptionContext parsed), vector.Text("name"));
            Assert.Equal(encoded, parsed.Encoded);
            Assert.Equal(vector.Bytes("sha256"), parsed.ComputeDigest());
            Assert.Equal(pairs.OrderBy(pair => pair.Key, StringComparer.Ordinal), parsed.Pairs.OrderBy(pair => pair.Key, StringComparer.Ordinal));
            Assert.All(pairs, pair => Assert.Equal(pair.Value, parsed[pair.Key]));
        }
    }

    [Fact]
    public void Every_pair_list_that_breaks_a_rule_is_refused_without_repeating_its_text()
    {
        foreach (JsonObject vector in Vectors.List(File, "negativePairs"))
        {
            KeyValuePair<string, string>[] pairs =
            [
                .. vector["pairsUtf16"]!.AsArray().Select(pair => KeyValuePair.Create(Utf16(pair![0]!), Utf16(pair[1]!))),
            ];
            Exception? thrown = Record.Exception(() => EncryptionContext.Create(pairs));
            Assert.True(thrown is InvalidContextException, $"{vector.Text("name")}: {thrown?.GetType().Name ?? "accepted"}");
            Assert.DoesNotContain(pairs, pair => pair.Value.Length > 20 && thrown!.Message.Contains(pair.Value, StringComparison.Ordinal));
        }
    }

    [Fact]
    public void Bytes_that_are_not_canonical_do_not_parse()
    {
        foreach (JsonObject vector in Vectors.List(File, "negativeEncoded"))
        {
            Assert.False(EncryptionContext.TryParse(vector.Bytes("encoded"), out EncryptionContext context), vector.Text("name"));
            Assert.Same(EncryptionContext.Empty, context);
        }
    }

    [Fact]
    public void Merging_gives_the_context_of_all_pairs()
    {
        EncryptionContext left = EncryptionContext.Create([new("b", "2"), new("d", "4")]);
        EncryptionContext right = EncryptionContext.Create([new("a", "1"), new("c", "3")]);
        EncryptionContext whole = EncryptionContext.Create([new("a", "1"), new("b", "2"), new("c", "3"), new("d", "4")]);
        Assert.Equal(whole, left.Merge(right));
        Assert.Equal(whole, right.Merge(left));
        Assert.Equal(whole.GetHashCode(), left.Merge(right).GetHashCode());
        Assert.Same(left, left.Merge(EncryptionContext.Empty));
        Assert.Same(left, EncryptionContext.Empty.Merge(left));
    }

    [Fact]
    public void Merging_refuses_a_key_in_both_even_with_the_same_value()
    {
        EncryptionContext one = EncryptionContext.Create("a", "1");
        Assert.Throws<InvalidContextException>(() => one.Merge(EncryptionContext.Create("a", "1")));
        Assert.Throws<InvalidContextException>(() => one.Merge(EncryptionContext.Create([new("a", "2"), new("b", "1")])));
    }

    [Fact]
    public void Merging_refuses_what_grows_over_the_limits()
    {
        EncryptionContext nine = EncryptionContext.Create(Enumerable.Range(0, 9).Select(i => KeyValuePair.Create($"a{i}", "")));
        EncryptionContext eight = EncryptionContext.Create(Enumerable.Range(0, 8).Select(i => KeyValuePair.Create($"b{i}", "")));
        Assert.Throws<InvalidContextException>(() => nine.Merge(eight));
        EncryptionContext wide = EncryptionContext.Create(Enumerable.Range(0, 3).Select(i => KeyValuePair.Create($"a{i}", new string('v', 1000))));
        EncryptionContext other = EncryptionContext.Create(Enumerable.Range(0, 2).Select(i => KeyValuePair.Create($"b{i}", new string('v', 1000))));
        Assert.Throws<InvalidContextException>(() => wide.Merge(other));
    }

    [Fact]
    public void A_null_key_or_value_is_refused()
    {
        Assert.Throws<InvalidContextException>(() => EncryptionContext.Create([new(null!, "x")]));
        Assert.Throws<InvalidContextException>(() => EncryptionContext.Create([new("x", null!)]));
    }

    [Fact]
    public void A_context_prints_only_how_many_pairs_it_has() =>
        Assert.Equal("EncryptionContext(1)", EncryptionContext.Create("tenant", "st-mary").ToString());

    [Fact]
    public void The_digest_is_that_of_the_encoded_bytes()
    {
        EncryptionContext context = EncryptionContext.Create("tenant", "st-mary");
        Assert.Equal(SHA256.HashData(context.Encoded), context.ComputeDigest());
    }

    private static string Utf16(JsonNode hex)
    {
        // Encoding.BigEndianUnicode would replace lone surrogates.
        byte[] units = Convert.FromHexString(hex.GetValue<string>());
        var text = new StringBuilder();
        for (int i = 0; i < units.Length; i += 2)
        {
            text.Append((char)((units[i] << 8) | units[i + 1]));
        }
        return text.ToString();
    }
}
