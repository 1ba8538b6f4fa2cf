using System.Security.Cryptography;
using System.Text.Json.Nodes;
using KeyService.Crypto;

namespace KeyService.Tests.Crypto;

/// <summary>docs/spec/installation-keys.md.</summary>
public sealed class InstallationKeysTests
{
    private const string File = "installation-keys.json";

    [Fact]
    public void A_derived_key_is_one_mac_and_that_of_SP_800_108()
    {
        byte[] integrityKey = Vectors.Load(File).Bytes("integrityKey");
        byte[] installation = Vectors.Load(File).Bytes("installation");
        foreach (JsonObject vector in Vectors.List(File, "positive"))
        {
            byte[] input = InstallationKeys.DerivationInput(vector.Text("label"), installation);
            Assert.Equal(vector.Bytes("input"), input);
            byte[] derived = HMACSHA256.HashData(integrityKey, input);
            Assert.Equal(vector.Bytes("key"), derived);
            Assert.Equal(
                SP800108HmacCounterKdf.DeriveBytes(
                    integrityKey, HashAlgorithmName.SHA256, System.Text.Encoding.ASCII.GetBytes(vector.Text("label")), installation, derived.Length),
                derived);
        }
    }

    [Fact]
    public void No_row_and_no_check_begins_as_a_derivation_does()
    {
        byte[] input = InstallationKeys.DerivationInput(InstallationKeys.ContextDigest, new byte[InstallationKeys.InstallationIdLength]);
        Assert.Equal(0, input[0]);
        Assert.NotEqual(input[0], RowMac.Row("a").ToArray()[0]);
    }

    [Theory]
    [InlineData("", 16)]
    [InlineData("a\0b", 16)]
    [InlineData("é", 16)]
    [InlineData("a", 15)]
    [InlineData("a", 17)]
    [InlineData("0123456789012345678901234567890123456789012345678901234567890123456789", 16)]
    public void A_label_or_an_id_of_another_form_is_refused(string label, int idLength) =>
        Assert.ThrowsAny<ArgumentException>(() => InstallationKeys.DerivationInput(label, new byte[idLength]));
}
