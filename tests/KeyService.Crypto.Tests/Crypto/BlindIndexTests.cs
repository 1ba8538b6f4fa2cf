using System.Text.Json.Nodes;
using KeyService.Crypto;

namespace KeyService.Tests.Crypto;

/// <summary>docs/spec/blind-index.md.</summary>
public sealed class BlindIndexTests
{
    private const string File = "blind-index.json";

    [Fact]
    public void Every_vector_comes_out()
    {
        foreach (JsonObject vector in Vectors.List(File, "positive"))
        {
            EncryptionContext column = EncryptionContext.Create(vector.Pairs("column"));
            var columnKey = new byte[BlindIndexFormat.KeyLength];
            BlindIndexFormat.DeriveColumnKey(vector.Bytes("indexKey"), column, vector.Number("length"), columnKey);
            Assert.Equal(vector.Bytes("columnKey"), columnKey);
            var index = new byte[vector.Number("length")];
            BlindIndexFormat.Compute(columnKey, vector.Bytes("value"), index);
            Assert.Equal(vector.Bytes("index"), index);
        }
    }

    [Fact]
    public void Ids_come_out() => Assert.All(
        Vectors.List(File, "ids"), vector => Assert.Equal(vector.Bytes("id"), BlindIndexFormat.KeyId(vector.Text("key"), vector.Text("index"))));

    [Fact]
    public void Lengths_out_of_bounds_are_refused()
    {
        foreach (JsonObject vector in Vectors.List(File, "negative"))
        {
            int length = vector.Number("length");
            Assert.Throws<ArgumentOutOfRangeException>(
                () => BlindIndexFormat.DeriveColumnKey(new byte[32], EncryptionContext.Empty, length, new byte[32]));
            Assert.Throws<ArgumentOutOfRangeException>(() => BlindIndexFormat.Compute(new byte[32], default, new byte[length]));
        }
    }

    [Fact]
    public void Keys_of_another_size_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => BlindIndexFormat.DeriveColumnKey(new byte[31], EncryptionContext.Empty, 16, new byte[32]));
        Assert.Throws<ArgumentOutOfRangeException>(() => BlindIndexFormat.DeriveColumnKey(new byte[32], EncryptionContext.Empty, 16, new byte[33]));
        Assert.Throws<ArgumentOutOfRangeException>(() => BlindIndexFormat.Compute(new byte[16], default, new byte[16]));
        Assert.Throws<ArgumentNullException>(() => BlindIndexFormat.KeyId(null!, ""));
        Assert.Throws<ArgumentNullException>(() => BlindIndexFormat.KeyId("", null!));
        Assert.Throws<ArgumentNullException>(() => BlindIndexFormat.DeriveColumnKey(new byte[32], null!, 16, new byte[32]));
    }
}
