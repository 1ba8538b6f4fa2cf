using System.Text;
using FsCheck;
using FsCheck.Fluent;
using KeyService.Crypto;

namespace KeyService.Tests.Crypto;

/// <summary>The encoder that makes an item's context without an object writes what Merge makes with one.</summary>
public sealed class ContextEncoderTests
{
    private static readonly Gen<string> Keys = Gen.Elements("a", "b", "bb", "tenant", "Zürich", "表", "~");
    private static readonly Gen<string> Values = Gen.Elements("", "1", "row-17", "ä");

    [Fact]
    public void An_item_context_encoded_in_place_is_the_merged_context() =>
        Check.One(Config.QuickThrowOnFailure, Prop.ForAll(
            Keys.Zip(Values).ListOf().ToArbitrary(), Keys.Zip(Values).ListOf().ListOf().ToArbitrary(), (sharedPairs, items) =>
            {
                var shared = EncryptionContext.Create(Distinct(sharedPairs));
                var encoder = new ContextEncoder(new byte[EncryptionContext.MaxEncodedLength],
                    new ContextEncoder.Entry[EncryptionContext.MaxPairs]);
                encoder.Add(shared);
                var mark = encoder.Mark;
                foreach (var item in items)
                {
                    encoder.ReturnTo(mark);
                    var own = Distinct(item);
                    if (own.Any(pair => shared[pair.Key] is not null))
                    {
                        continue;
                    }

                    foreach (var (key, value) in own)
                    {
                        encoder.Add(Encoding.UTF8.GetBytes(key), Encoding.UTF8.GetBytes(value));
                    }

                    var encoded = encoder.Encode(new byte[EncryptionContext.MaxEncodedLength]).Encoded;
                    Assert.Equal(shared.Merge(EncryptionContext.Create(own)).Encoded.ToArray(), encoded.ToArray());
                }
            }));

    [Theory]
    [InlineData("61", "EFBFBD")] // U+FFFD
    [InlineData("61", "00")]
    [InlineData("61", "C328")] // not UTF-8
    [InlineData("61", "EDA080")] // a surrogate
    [InlineData("", "61")]
    [InlineData("6B6579", "61")] // stands in both
    public void A_pair_that_breaks_a_rule_is_refused(string keyHex, string valueHex) =>
        Assert.Throws<InvalidContextException>(() =>
        {
            var encoder = new ContextEncoder(new byte[EncryptionContext.MaxEncodedLength],
                new ContextEncoder.Entry[EncryptionContext.MaxPairs]);
            encoder.Add(EncryptionContext.Create("key", "value"));
            encoder.Add(Convert.FromHexString(keyHex), Convert.FromHexString(valueHex));
        });

    [Fact]
    public void The_default_canonical_context_is_the_empty_one() =>
        Assert.Equal(EncryptionContext.Empty.Encoded.ToArray(), default(CanonicalContext).Encoded.ToArray());

    private static List<KeyValuePair<string, string>> Distinct(IEnumerable<(string Key, string Value)> pairs) =>
        [.. pairs.DistinctBy(pair => pair.Key).Take(7).Select(pair => KeyValuePair.Create(pair.Key, pair.Value))];
}
