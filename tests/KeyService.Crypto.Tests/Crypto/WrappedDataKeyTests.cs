using System.Text.Json.Nodes;
using KeyService.Crypto;

namespace KeyService.Tests.Crypto;

/// <summary>docs/spec/wrapped-data-key.md. In the service the wrapping happens inside the HSM; here AES-GCM stands in for it.</summary>
public sealed class WrappedDataKeyTests
{
    private const string File = "wrapped-data-key.json";

    [Fact]
    public void Every_positive_vector_wraps_and_unwraps_to_its_bytes()
    {
        foreach (JsonObject vector in Vectors.List(File, "positive"))
        {
            byte[] whole = vector.Bytes("wrapped");
            Assert.True(WrappedDataKey.TryParse(whole, out WrappedDataKey wrapped));
            Assert.Equal(vector.Text("keyVersionText"), wrapped.VersionId.ToString());
            Assert.Equal(vector.Bytes("iv"), wrapped.Iv);
            Assert.Equal(vector.Bytes("ciphertext"), wrapped.Ciphertext);
            Assert.Equal(vector.Bytes("tag"), wrapped.Tag);

            byte[] aad = AssociatedData.ToArray(
                (AadPurpose)vector.Number("purpose"), WrappedDataKey.Format, wrapped.VersionId, vector.Bytes("subject"), vector.Context());
            Assert.Equal(vector.Bytes("aad"), aad);

            using var gcm = new Aes256Gcm(vector.Bytes("kek"));
            var sealedKey = new byte[48];
            gcm.Encrypt(wrapped.Iv, vector.Bytes("dataKey"), sealedKey.AsSpan(0, 32), sealedKey.AsSpan(32), aad);
            var again = new byte[WrappedDataKey.Length];
            WrappedDataKey.Write(again, wrapped.VersionId, wrapped.Iv, sealedKey);
            Assert.Equal(whole, again);

            var opened = new byte[32];
            Assert.True(gcm.Decrypt(wrapped.Iv, wrapped.Ciphertext, wrapped.Tag, opened, aad));
            Assert.Equal(vector.Bytes("dataKey"), opened);
        }
    }

    [Fact]
    public void Whatever_was_changed_or_belongs_elsewhere_does_not_open()
    {
        foreach (JsonObject vector in Vectors.List(File, "doesNotOpen"))
        {
            Assert.True(WrappedDataKey.TryParse(vector.Bytes("wrapped"), out WrappedDataKey wrapped), vector.Text("name"));
            using var gcm = new Aes256Gcm(vector.Bytes("kek"));
            byte[] opened = [.. Enumerable.Repeat((byte)0xaa, 32)];
            Assert.False(gcm.Decrypt(wrapped.Iv, wrapped.Ciphertext, wrapped.Tag, opened, vector.Bytes("aad")), vector.Text("name"));
            Assert.Equal(new byte[32], opened);
        }
    }

    [Fact]
    public void Malformed_bytes_do_not_parse()
    {
        foreach (JsonObject vector in Vectors.List(File, "malformed"))
        {
            Assert.False(WrappedDataKey.TryParse(vector.Bytes("wrapped"), out _), vector.Text("name"));
        }
    }

    [Fact]
    public void Writing_refuses_parts_of_a_wrong_size()
    {
        var id = new KeyVersionId(1);
        Assert.Throws<ArgumentException>(() => WrappedDataKey.Write(new byte[68], id, new byte[12], new byte[48]));
        Assert.Throws<ArgumentException>(() => WrappedDataKey.Write(new byte[69], id, new byte[11], new byte[48]));
        Assert.Throws<ArgumentException>(() => WrappedDataKey.Write(new byte[69], id, new byte[12], new byte[47]));
        Assert.Throws<ArgumentOutOfRangeException>(() => WrappedDataKey.Write(new byte[69], KeyVersionId.None, new byte[12], new byte[48]));
    }

    [Fact]
    public void Writing_leaves_a_ciphertext_in_place_that_stands_there_already()
    {
        var whole = new byte[WrappedDataKey.Length];
        whole.AsSpan(21).Fill(7);
        WrappedDataKey.Write(whole, new KeyVersionId(0x0102030405060708), new byte[12], whole.AsSpan(21));
        Assert.All(whole[21..], value => Assert.Equal(7, value));
        Assert.Equal([1, 1, 2, 3, 4, 5, 6, 7, 8], whole[..9]);
    }

    [Fact]
    public void The_parts_stand_where_the_layout_says_and_ciphertext_and_tag_are_neighbours()
    {
        byte[] bytes = [WrappedDataKey.Format, .. Enumerable.Range(1, 68).Select(i => (byte)i)];
        Assert.True(WrappedDataKey.TryParse(bytes, out WrappedDataKey key));
        Assert.Equal(bytes.AsSpan()[9..21], key.Iv);
        Assert.Equal(bytes.AsSpan()[21..53], key.Ciphertext);
        Assert.Equal(bytes.AsSpan()[53..69], key.Tag);
        Assert.Equal(bytes.AsSpan()[21..69], key.CiphertextAndTag);
        Assert.Equal(bytes, key.Bytes);
    }

    [Theory]
    [InlineData(68, 12, 48)]
    [InlineData(70, 12, 48)]
    [InlineData(69, 11, 48)]
    [InlineData(69, 13, 48)]
    [InlineData(69, 12, 47)]
    [InlineData(69, 12, 49)]
    public void Parts_of_another_size_do_not_make_a_wrapped_data_key(int length, int iv, int sealedLength) => Assert.Equal(
        "A wrapped data key is 69 bytes: IV 12, ciphertext 32, tag 16.",
        Assert.Throws<ArgumentException>(() => WrappedDataKey.Write(new byte[length], new KeyVersionId(1), new byte[iv], new byte[sealedLength])).Message);
}
