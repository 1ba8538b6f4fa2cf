using System.Globalization;
using System.Text.Json.Nodes;
using KeyService.Client;
using KeyService.Crypto;
using KeyService.Tests.Crypto;

namespace KeyService.Tests.Sdk;

/// <summary>docs/spec/row-context.md, and that a context without its row cannot be had.</summary>
public sealed class RowContextTests
{
    private static readonly EncryptedColumn Ssn = new("ehr", "patient", "ssn");

    [Fact]
    public void Every_vector_comes_out()
    {
        foreach (JsonObject vector in Vectors.List("row-context.json", "positive"))
        {
            string[] names = [.. vector["column"]!.AsArray().Select(name => name!.GetValue<string>())];
            var column = new EncryptedColumn(names[0], names[1], names[2], EncryptionContext.Create(vector.Pairs("also")));
            RowKey[] keys = [.. vector["row"]!.AsArray().Select(key => Key(key![0]!.GetValue<string>(), key[1]!.GetValue<string>()))];
            RowContext row = keys.Length switch
            {
                1 => column.Row(keys[0]),
                2 => column.Row(keys[0], keys[1]),
                3 => column.Row(keys[0], keys[1], keys[2]),
                _ => column.Row(keys[0], keys[1], keys[2], keys[3]),
            };
            var buffer = new byte[EncryptionContext.MaxEncodedLength];
            Assert.Equal(vector.Bytes("encoded"), row.Encode(buffer).Encoded.ToArray());
            Assert.Equal(vector.Bytes("encoded"), row.ToEncryptionContext().Encoded.ToArray());
        }
    }

    [Fact]
    public void A_key_of_whatever_whole_type_is_the_same_row()
    {
        byte[][] encoded = [.. new[] { Ssn.Row((short)7), Ssn.Row(7), Ssn.Row(7u), Ssn.Row(7L), Ssn.Row(7UL), Ssn.Row("7") }
            .Select(row => row.ToEncryptionContext().Encoded.ToArray())];
        Assert.All(encoded, each => Assert.Equal(encoded[0], each));
    }

    [Fact]
    public void A_row_that_has_no_key_yet_is_refused()
    {
        Assert.Throws<ArgumentException>(() => Ssn.Row(0));
        Assert.Throws<ArgumentException>(() => Ssn.Row(0UL));
        Assert.Throws<ArgumentException>(() => Ssn.Row(""));
        Assert.Throws<ArgumentException>(() => Ssn.Row(Guid.Empty));
        Assert.Throws<ArgumentException>(() => Ssn.Row(default));
        Assert.Throws<ArgumentNullException>(() => Ssn.Row((string)null!));
        Assert.Throws<InvalidOperationException>(() => default(RowContext).ToEncryptionContext());
        Assert.Equal("0", Ssn.Row("0").ToEncryptionContext()["row"]);
    }

    [Fact]
    public void Nothing_encrypts_or_decrypts_without_a_row()
    {
        var calls = typeof(FieldEncryption).GetMethods().Where(method => method.Name.Contains("crypt", StringComparison.Ordinal)).ToList();
        Assert.True(calls.Count >= 10);
        Assert.All(calls, call => Assert.Contains(call.GetParameters(), parameter =>
            parameter.ParameterType == typeof(RowContext) || parameter.ParameterType == typeof(RowContext).MakeByRefType()
            || parameter.ParameterType == typeof(IReadOnlyList<RowField>)));
        Assert.Empty(typeof(RowContext).GetConstructors());
    }

    [Fact]
    public void Text_that_no_context_may_hold_is_refused_when_it_is_used()
    {
        foreach (string bad in new[] { "a\0b", "\uFFFD", "\ud800", new string('x', 1025) })
        {
            RowContext row = Ssn.Row(bad);
            Assert.Throws<InvalidContextException>(() => row.ToEncryptionContext());
        }
        Assert.Throws<InvalidContextException>(() => new EncryptedColumn("ehr", "patient", "ssn", EncryptionContext.Create("row", "1")));
        Assert.DoesNotContain("078", Ssn.Row("078-05-1120").ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Normalisations_come_out() => Assert.All(Vectors.List("blind-index.json", "normalisation"), vector =>
    {
        Func<string, string> normalise = vector.Text("how") switch
        {
            "exact" => BlindIndexNormalisation.Exact,
            "trimmed-upper" => BlindIndexNormalisation.TrimmedUpper,
            "digits" => BlindIndexNormalisation.Digits,
            _ => BlindIndexNormalisation.LettersAndDigits,
        };
        Assert.Equal(vector.Text("becomes"), normalise(vector.Text("value")));
    });

    private static RowKey Key(string type, string value) => type switch
    {
        "int64" => long.Parse(value, CultureInfo.InvariantCulture),
        "uint64" => ulong.Parse(value, CultureInfo.InvariantCulture),
        "uuid" => Guid.Parse(value),
        "date" => DateOnly.ParseExact(value, "yyyy-MM-dd", CultureInfo.InvariantCulture),
        _ => value,
    };
}
