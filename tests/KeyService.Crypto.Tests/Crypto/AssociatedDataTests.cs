using System.Text.Json.Nodes;
using KeyService.Crypto;

namespace KeyService.Tests.Crypto;

/// <summary>docs/spec/associated-data.md.</summary>
public sealed class AssociatedDataTests
{
    private const string File = "associated-data.json";

    [Fact]
    public void Every_positive_vector_comes_out()
    {
        var purposes = new HashSet<AadPurpose>();
        foreach (JsonObject vector in Vectors.List(File, "positive"))
        {
            (AadPurpose purpose, byte format, KeyVersionId version, byte[] subject) = Parts(vector);
            EncryptionContext context = vector.Context();
            byte[] expected = vector.Bytes("aad");
            Assert.Equal(expected, AssociatedData.ToArray(purpose, format, version, subject, context));
            Assert.Equal(expected.Length, AssociatedData.Length(subject, context));
            Assert.Equal(expected.Length, AssociatedData.Write(new byte[AssociatedData.MaxLength], purpose, format, version, subject, context));
            purposes.Add(purpose);
        }
        Assert.Equal(Enum.GetValues<AadPurpose>(), purposes.Order());
    }

    [Fact]
    public void Parts_that_do_not_belong_together_are_refused()
    {
        foreach (JsonObject vector in Vectors.List(File, "negative"))
        {
            (AadPurpose purpose, byte format, KeyVersionId version, byte[] subject) = Parts(vector);
            Exception? thrown = Record.Exception(() => AssociatedData.ToArray(purpose, format, version, subject, EncryptionContext.Empty));
            Assert.True(thrown is ArgumentException, vector.Text("name"));
        }
    }

    [Fact]
    public void A_slip_in_a_caller_is_told_what_belongs_together()
    {
        static string Refused(AadPurpose purpose) =>
            Assert.ThrowsAny<ArgumentException>(() => AssociatedData.ToArray(purpose, 0x77, new KeyVersionId(1), [], EncryptionContext.Empty)).Message;
        Assert.Equal("Purpose BulkKey takes format 0x01, a subject of 0 bytes and a key version.", Refused(AadPurpose.BulkKey));
        Assert.Equal("Purpose FieldTokenDataKey takes format 0x12, a subject of 16 bytes and no key version.", Refused(AadPurpose.FieldTokenDataKey));
        Assert.StartsWith("Not a purpose.", Refused((AadPurpose)99), StringComparison.Ordinal);
    }

    [Fact]
    public void The_numbers_of_the_purposes_are_frozen() => Assert.Equal(
        "1 DataKeyGeneral, 2 DataKeyField, 3 DataKeyArchive, 4 BulkKey, 5 CheckValue, 6 FieldToken, 7 FieldTokenDataKey, 8 DataKeyBlindIndex",
        string.Join(", ", Enum.GetValues<AadPurpose>().Select(purpose => $"{(byte)purpose} {purpose}")));

    [Fact]
    public void The_longest_associated_data_fits_its_limit()
    {
        EncryptionContext largest = EncryptionContext.Create(Enumerable.Range(0, 4).Select(i => KeyValuePair.Create($"k{i}", new string('v', i < 3 ? 1024 : 998))));
        Assert.Equal(EncryptionContext.MaxEncodedLength, largest.Encoded.Length);
        Assert.Equal(AssociatedData.MaxLength, AssociatedData.Length(new byte[16], largest));
    }

    private static (AadPurpose Purpose, byte Format, KeyVersionId Version, byte[] Subject) Parts(JsonObject vector) =>
        ((AadPurpose)vector.Number("purpose"), (byte)vector.Number("format"), KeyVersionId.Read(vector.Bytes("keyVersion")), vector.Bytes("subject"));
}
