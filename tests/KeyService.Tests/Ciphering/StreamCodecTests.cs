using Google.Protobuf;
using KeyService.Protocol.Bulk;
using KeyService.Protocol.V1;

namespace KeyService.Tests.Ciphering;

public class StreamCodecTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(200)]
    [InlineData(BulkLimits.MaxPieceLength)]
    public void Data_is_read_and_written_as_the_generated_class_does(int length)
    {
        var data = new byte[length];
        Random.Shared.NextBytes(data);
        var generated = new EncryptStreamRequest { Data = ByteString.CopyFrom(data) }.ToByteArray();
        foreach (var message in new[] { generated, [0x48, 0x01, .. generated], [.. generated, 0x48, 0x01] })
        {
            // As it is, and with a field of a later client before and behind.
            using var request = TestDeserializationContext.Deserialize(CipherMethods.EncryptStream.RequestMarshaller, message, 1000);
            Assert.Equal(StreamMessageKind.Data, request.Kind);
            Assert.Equal(data, request.Data.ToArray());
        }

        Assert.Equal(generated, TestSerializationContext.Serialize(CipherMethods.EncryptStream.RequestMarshaller,
            StreamRequest<EncryptStreamStart>.OfData(data)));

        var answer = TestSerializationContext.Serialize(CipherMethods.EncryptStream.ResponseMarshaller, StreamResponse.OfData(data));
        Assert.Equal(new EncryptStreamResponse { Data = ByteString.CopyFrom(data) }.ToByteArray(), answer);
        using var read = TestDeserializationContext.Deserialize(CipherMethods.EncryptStream.ResponseMarshaller, answer, 999);
        Assert.Equal(data, read.Data.ToArray());
    }

    [Fact]
    public async Task Data_goes_straight_to_the_taker_of_the_flow_that_reads_it_and_to_no_other()
    {
        var data = new byte[100_000];
        Random.Shared.NextBytes(data);
        var message = new EncryptStreamRequest { Data = ByteString.CopyFrom(data) }.ToByteArray();
        var taken = new MemoryStream();

        await Task.Run(() =>
        {
            DirectData.Taker = (in bytes) =>
            {
                foreach (var segment in bytes)
                {
                    taken.Write(segment.Span);
                }
            };
            using var request = TestDeserializationContext.Deserialize(CipherMethods.EncryptStream.RequestMarshaller, message, 1000);
            Assert.True(request is { Kind: StreamMessageKind.Data, WasTaken: true, Data.IsEmpty: true });

            // Of an unusual form: copied as before. Too large: for nobody.
            using var unusual = TestDeserializationContext.Deserialize(CipherMethods.EncryptStream.RequestMarshaller, [0x48, 0x01, .. message], 1000);
            Assert.True(unusual is { WasTaken: false, Data.Length: 100_000 });
            var large = new EncryptStreamRequest { Data = ByteString.CopyFrom(new byte[BulkLimits.MaxPieceLength + 1]) }.ToByteArray();
            using var refused = TestDeserializationContext.Deserialize(CipherMethods.EncryptStream.RequestMarshaller, large, 1000);
            Assert.Equal(StreamMessageKind.TooLarge, refused.Kind);
        });
        Assert.Equal(data, taken.ToArray());

        using var elsewhere = TestDeserializationContext.Deserialize(CipherMethods.EncryptStream.RequestMarshaller, message, 1000);
        Assert.False(elsewhere.WasTaken);
        Assert.Equal(data, elsewhere.Data.ToArray());
    }

    [Fact]
    public void Start_finish_and_summary_are_read_and_written_as_the_generated_classes_do()
    {
        var start = new EncryptStreamStart { Key = "ehr-backup", ContentName = "dump.sql",
            Context = new Context { Entries = { new ContextEntry { Key = "a", Value = "b" } } } };
        var generated = new EncryptStreamRequest { Start = start }.ToByteArray();
        using var request = TestDeserializationContext.Deserialize(CipherMethods.EncryptStream.RequestMarshaller, generated, 3);
        Assert.Equal((StreamMessageKind.Start, start), (request.Kind, request.Start));
        Assert.Equal(generated, TestSerializationContext.Serialize(CipherMethods.EncryptStream.RequestMarshaller,
            StreamRequest<EncryptStreamStart>.OfStart(start)));

        var finish = new DecryptStreamRequest { Finish = new StreamFinish() }.ToByteArray();
        using var finished = TestDeserializationContext.Deserialize(CipherMethods.DecryptStream.RequestMarshaller, finish);
        Assert.Equal(StreamMessageKind.Finish, finished.Kind);
        Assert.Equal(finish, TestSerializationContext.Serialize(CipherMethods.DecryptStream.RequestMarshaller,
            StreamRequest<DecryptStreamStart>.OfFinish()));

        var summary = new StreamSummary { PlaintextBytes = 1, ArchiveBytes = 2, Key = "k", KeyVersion = "v" };
        var answer = TestSerializationContext.Serialize(CipherMethods.DecryptStream.ResponseMarshaller, StreamResponse.OfSummary(summary));
        Assert.Equal(new DecryptStreamResponse { Summary = summary }.ToByteArray(), answer);
        using var read = TestDeserializationContext.Deserialize(CipherMethods.DecryptStream.ResponseMarshaller, answer);
        Assert.Equal(summary, read.Summary);
    }

    [Theory]
    [InlineData("", StreamMessageKind.None)]
    [InlineData("4801", StreamMessageKind.None)]
    [InlineData("12", StreamMessageKind.Malformed)]
    [InlineData("1205AA", StreamMessageKind.Malformed)]
    [InlineData("0A020A05", StreamMessageKind.Malformed)]
    [InlineData("1201AA1A00", StreamMessageKind.Finish)]
    [InlineData("12FFFFFFFFFFFFFFFFFF01", StreamMessageKind.Malformed)]
    [InlineData("12FFFFFFFFFFFFFFFFFFFF01", StreamMessageKind.Malformed)]
    [InlineData("1200", StreamMessageKind.Data)]
    public void Other_messages_have_a_kind_and_never_an_exception(string hex, StreamMessageKind expected)
    {
        using var request = TestDeserializationContext.Deserialize(CipherMethods.EncryptStream.RequestMarshaller,
            Convert.FromHexString(hex));
        Assert.Equal(expected, request.Kind);
    }

    [Fact]
    public void A_piece_of_more_than_1_MiB_is_too_large()
    {
        foreach (var length in new[] { BulkLimits.MaxPieceLength + 1, 3 * BulkLimits.MaxPieceLength })
        {
            var bytes = new EncryptStreamRequest { Data = ByteString.CopyFrom(new byte[length]) }.ToByteArray();
            using var request = TestDeserializationContext.Deserialize(CipherMethods.EncryptStream.RequestMarshaller, bytes);
            Assert.Equal(StreamMessageKind.TooLarge, request.Kind);
        }
    }
}
