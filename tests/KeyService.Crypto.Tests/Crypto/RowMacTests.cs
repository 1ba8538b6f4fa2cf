using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using KeyService.Crypto;

namespace KeyService.Tests.Crypto;

/// <summary>docs/spec/row-mac.md.</summary>
public sealed class RowMacTests
{
    private const string File = "row-mac.json";

    [Fact]
    public void Every_vector_comes_out_under_the_integrity_key()
    {
        byte[] key = Vectors.Load(File).Bytes("integrityKey");
        foreach (JsonObject vector in Vectors.List(File, "positive"))
        {
            RowWriter row = RowMac.Row(vector.Text("table"));
            foreach (JsonNode? column in vector["columns"]!.AsArray())
            {
                string? value = column![1]?.GetValue<string>();
                _ = column[0]!.GetValue<string>() switch
                {
                    "int64" => row.AddInt64(long.Parse(value!, CultureInfo.InvariantCulture)),
                    "text" => row.AddString(value),
                    "bytes" => row.AddBytes(Convert.FromHexString(value!)),
                    _ => row.AddNull(),
                };
            }
            Assert.Equal(vector.Bytes("encoded"), row.ToArray());
            Assert.Equal(vector.Bytes("mac"), HMACSHA256.HashData(key, row.ToArray()));
        }
    }

    [Fact]
    public void A_value_that_moves_to_another_column_table_or_type_changes_the_bytes()
    {
        byte[][] rows =
        [
            RowMac.Row("a").AddString("x").AddString("").ToArray(),
            RowMac.Row("a").AddString("").AddString("x").ToArray(),
            RowMac.Row("b").AddString("x").AddString("").ToArray(),
            RowMac.Row("a").AddString("x").AddNull().ToArray(),
            RowMac.Row("a").AddString("x").ToArray(),
            RowMac.Row("a").AddBytes("x"u8).AddString("").ToArray(),
            RowMac.Row("ax").AddString("").ToArray(),
        ];
        Assert.Equal(rows.Length, rows.Select(Convert.ToHexString).Distinct().Count());
    }

    [Fact]
    public void Null_in_any_type_is_the_same_null()
    {
        byte[] expected = RowMac.Row("a").AddNull().ToArray();
        Assert.Equal(expected, RowMac.Row("a").AddString(null).ToArray());
        Assert.Equal(expected, RowMac.Row("a").AddInt64(null).ToArray());
        Assert.Equal(expected, RowMac.Row("a").AddBytes((byte[]?)null).ToArray());
    }

    [Fact]
    public void Names_and_texts_that_are_not_what_they_must_be_throw()
    {
        Assert.Throws<ArgumentException>(() => RowMac.Row(""));
        Assert.Throws<ArgumentException>(() => RowMac.Row("schlüssel"));
        Assert.Throws<ArgumentException>(() => RowMac.Row(new string('a', 256)));
        Assert.Throws<System.Text.EncoderFallbackException>(() => RowMac.Row("a").AddString("\ud83d"));
        Assert.StartsWith("A table's name is 1 to 255 characters of ASCII.", Assert.Throws<ArgumentException>(() => RowMac.Row("ä")).Message, StringComparison.Ordinal);
        Assert.Equal(18 + 2 + 255, RowMac.Row(new string('a', 255)).ToArray().Length);
    }

    [Fact]
    public void The_numbers_of_the_column_types_are_frozen() => Assert.Equal(
        ["0 Null", "1 Int64", "2 Text", "3 Bytes"], Enum.GetValues<RowColumnType>().Select(type => $"{(byte)type} {type}"));
}
