using System.Text.Json.Nodes;
using KeyService.Crypto;

namespace KeyService.Tests.Crypto;

/// <summary>docs/spec/field-token.md, both formats, binary and text.</summary>
public sealed class FieldTokenTests
{
    private const string File = "field-token.json";

    [Theory]
    [MemberData(nameof(AesBackends.Names), MemberType = typeof(AesBackends))]
    public void Every_positive_vector_comes_out_with_its_intermediates(string backend)
    {
        foreach (JsonObject vector in Vectors.List(File, "positive"))
        {
            byte[] whole = vector.Bytes("token");
            byte[] plaintext = vector.Bytes("plaintext");
            Assert.True(FieldToken.TryParse(whole, out FieldToken token), vector.Text("name"));
            Assert.Equal(plaintext.Length, token.PlaintextLength);
            Assert.Equal(vector.Bytes("nonce"), token.Nonce);
            Assert.Equal(vector.Bytes("ciphertext"), token.Ciphertext);
            Assert.Equal(vector.Bytes("tag"), token.Tag);

            bool bulk = vector.Number("format") == FieldToken.Format1;
            byte[] aad = AssociatedData.ToArray(
                bulk ? AadPurpose.FieldToken : AadPurpose.FieldTokenDataKey, token.Format, token.VersionId, token.DataKeyId, vector.Context());
            Assert.Equal(vector.Bytes("aad"), aad);

            using var cipher = new XAes256Gcm(vector.Bytes("key"), AesBackends.Get(backend));
            var derived = new byte[32];
            cipher.DeriveKey(token.Nonce[..12], derived);
            Assert.Equal(vector.Bytes("derivedKey"), derived);
            var ciphertext = new byte[plaintext.Length];
            var tag = new byte[16];
            cipher.Encrypt(token.Nonce, plaintext, ciphertext, tag, aad);
            Assert.Equal(vector.Bytes("ciphertext"), ciphertext);
            Assert.Equal(vector.Bytes("tag"), tag);
        }
    }

    [Fact]
    public void The_field_cipher_opens_every_positive_vector_and_its_own_tokens()
    {
        foreach (JsonObject vector in Vectors.List(File, "positive"))
        {
            using FieldCipher cipher = CipherOf(vector);
            byte[] plaintext = vector.Bytes("plaintext");
            var opened = new byte[plaintext.Length];
            Assert.True(cipher.TryDecrypt(vector.Context(), vector.Bytes("token"), opened), vector.Text("name"));
            Assert.Equal(plaintext, opened);

            var own = new byte[cipher.TokenLength(plaintext.Length)];
            cipher.Encrypt(vector.Context(), plaintext, own);
            Assert.Equal(vector.Bytes("token").Length, own.Length);
            Assert.NotEqual(vector.Bytes("token"), own);
            opened.AsSpan().Clear();
            Assert.True(cipher.TryDecrypt(vector.Context(), own, opened));
            Assert.Equal(plaintext, opened);
        }
    }

    [Fact]
    public void Whatever_was_changed_or_belongs_elsewhere_does_not_open_and_leaves_zeros()
    {
        foreach (JsonObject vector in Vectors.List(File, "doesNotOpen"))
        {
            byte[] whole = vector.Bytes("token");
            Assert.True(FieldToken.TryParse(whole, out FieldToken token));
            // The identity as it was before, so that "identity flipped" is seen by the cipher it was meant for.
            JsonObject source = Vectors.List(File, "positive").Single(
                candidate => candidate.Number("format") == whole[0] && candidate.Text("name").EndsWith("a name", StringComparison.Ordinal));
            using FieldCipher cipher = CipherOf(source, vector.Bytes("key"));
            byte[] opened = [.. Enumerable.Repeat((byte)0xaa, token.PlaintextLength)];
            Assert.False(cipher.TryDecrypt(vector.Context(), whole, opened), vector.Text("name"));
            Assert.Equal(new byte[opened.Length], opened);
        }
    }

    [Fact]
    public void Malformed_bytes_do_not_parse_and_do_not_open()
    {
        using FieldCipher cipher = CipherOf(Vectors.List(File, "positive")[0]);
        foreach (JsonObject vector in Vectors.List(File, "malformed"))
        {
            Assert.False(FieldToken.TryParse(vector.Bytes("token"), out _), vector.Text("name"));
            byte[] opened = [1, 2, 3];
            Assert.False(cipher.TryDecrypt(EncryptionContext.Empty, vector.Bytes("token"), opened), vector.Text("name"));
            Assert.Equal(new byte[3], opened);
        }
    }

    [Fact]
    public void The_text_form_of_every_vector_formats_and_parses()
    {
        foreach (JsonObject vector in Vectors.List(File, "positive"))
        {
            Assert.Equal(vector.Text("text"), FieldTokenText.Format(vector.Bytes("token")));
            Assert.Equal(vector.Text("text").Length, FieldTokenText.Length(vector.Bytes("token").Length));
            Assert.True(FieldTokenText.TryParse(vector.Text("text"), out byte[] token));
            Assert.Equal(vector.Bytes("token"), token);
        }
    }

    [Fact]
    public void Malformed_text_does_not_parse()
    {
        foreach (JsonObject vector in Vectors.List(File, "malformedText"))
        {
            Assert.False(FieldTokenText.TryParse(vector.Text("text"), out byte[] token), vector.Text("name"));
            Assert.Empty(token);
        }
    }

    [Fact]
    public void A_token_of_more_than_1_MiB_is_refused_and_one_of_exactly_1_MiB_is_not()
    {
        var longest = new byte[FieldToken.Overhead1 + FieldToken.MaxPlaintextLength + 1];
        longest[0] = FieldToken.Format1;
        longest[8] = 1;
        Assert.True(FieldToken.TryParse(longest.AsSpan(0, longest.Length - 1), out FieldToken token));
        Assert.Equal(FieldToken.MaxPlaintextLength, token.PlaintextLength);
        Assert.False(FieldToken.TryParse(longest, out _));
    }

    [Fact]
    public void Only_bytes_that_are_a_token_have_a_text_form() =>
        Assert.Throws<ArgumentException>(() => FieldTokenText.Format(new byte[60]));

    internal static FieldCipher CipherOf(JsonObject vector, byte[]? otherKey = null)
    {
        using var key = SecretBuffer.CopyOf(otherKey ?? vector.Bytes("key"));
        return vector.Number("format") == FieldToken.Format1
            ? new FieldCipher(key, KeyVersionId.Read(vector.Bytes("keyVersion")))
            : new FieldCipher(key, vector.Bytes("dataKeyId"));
    }
}
