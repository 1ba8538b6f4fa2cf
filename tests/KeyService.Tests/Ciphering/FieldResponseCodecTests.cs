using FsCheck;
using FsCheck.Fluent;
using Google.Protobuf;
using KeyService.Protocol.Bulk;
using KeyService.Protocol.V1;

namespace KeyService.Tests.Ciphering;

public class FieldResponseCodecTests
{
    private static readonly Gen<byte[]?> Results = Gen.Frequency(
        (1, Gen.Constant<byte[]?>(null)),
        (4, Gen.Choose(0, 255).Select(value => (byte)value).ArrayOf().Select(bytes => (byte[]?)bytes)));

    [Fact]
    public void What_the_server_builds_both_parsers_read_and_it_is_what_the_generated_class_writes() =>
        Check.One(Config.QuickThrowOnFailure, Prop.ForAll(Results.ListOf().ToArbitrary(), results =>
        {
            const string Version = "00000000000000ff";
            var expected = new EncryptBatchResponse { KeyVersion = Version };
            using var builder = new FieldResponseBuilder(results.Sum(result =>
                FieldResponseBuilder.ResultLength(Math.Max(17, result?.Length ?? 0))) + 32);
            foreach (var result in results)
            {
                var place = builder.BeginData(result?.Length ?? 40);
                if (result is null)
                {
                    builder.ReplaceByError("DECRYPTION_FAILED"u8);
                    expected.Results.Add(new CipherResult { Error = "DECRYPTION_FAILED" });
                }
                else
                {
                    result.CopyTo(place);
                    expected.Results.Add(new CipherResult { Data = ByteString.CopyFrom(result) });
                }
            }

            var bytes = TestSerializationContext.Serialize(CipherMethods.EncryptBatch.ResponseMarshaller, builder.Build(Version));
            Assert.Equal(expected.ToByteArray(), bytes);

            using var read = TestDeserializationContext.Deserialize(CipherMethods.EncryptBatch.ResponseMarshaller, bytes, segmentLength: 5);
            Assert.Equal(Version, read.KeyVersion);
            Assert.Equal(results.Count, read.ResultCount);
            for (var i = 0; i < results.Count; i++)
            {
                Assert.Equal(results[i] is not null, read.TryGetData(i, out var data));
                Assert.Equal(results[i] ?? [], data.ToArray());
                Assert.Equal(results[i] is null ? "DECRYPTION_FAILED" : "", read.Error(i));
            }
        }));

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(127)]
    [InlineData(128)]
    [InlineData(16383)]
    [InlineData(16384)]
    [InlineData(1048576)]
    public void A_single_answer_is_what_the_generated_class_writes(int length)
    {
        var data = new byte[length];
        Random.Shared.NextBytes(data);

        using var encryption = new FieldResponseBuilder(length + 64);
        data.CopyTo(encryption.BeginSingle(length));
        var bytes = TestSerializationContext.Serialize(CipherMethods.Encrypt.ResponseMarshaller,
            encryption.BuildSingle(null, "00000000000000ff"));
        Assert.Equal(new EncryptResponse { Ciphertext = ByteString.CopyFrom(data), KeyVersion = "00000000000000ff" }.ToByteArray(), bytes);

        using var decryption = new FieldResponseBuilder(length + 64);
        data.CopyTo(decryption.BeginSingle(length));
        bytes = TestSerializationContext.Serialize(CipherMethods.Decrypt.ResponseMarshaller,
            decryption.BuildSingle("ehr/notes", "00000000000000ff"));
        Assert.Equal(
            new DecryptResponse { Plaintext = ByteString.CopyFrom(data), Key = "ehr/notes", KeyVersion = "00000000000000ff" }.ToByteArray(),
                bytes);

        using var read = TestDeserializationContext.Deserialize(CipherMethods.Decrypt.ResponseMarshaller, bytes, segmentLength: 100);
        Assert.True(read.TryGetData(0, out var plaintext));
        Assert.Equal(data, plaintext.ToArray());
        Assert.Equal(("ehr/notes", "00000000000000ff"), (read.Key, read.KeyVersion));
    }

    [Fact]
    public void An_answer_that_was_sent_is_zeroed()
    {
        var builder = new FieldResponseBuilder(64);
        builder.BeginSingle(16).Fill(0xAA);
        var response = builder.BuildSingle(null, "v");
        var memory = response.Message.Array;
        TestSerializationContext.Serialize(CipherMethods.Encrypt.ResponseMarshaller, response);
        Assert.DoesNotContain((byte)0xAA, memory);
    }
}
