using FsCheck;
using FsCheck.Fluent;
using Google.Protobuf;
using KeyService.Protocol.Bulk;
using KeyService.Protocol.V1;

namespace KeyService.Tests.Ciphering;

/// <summary>The hand-written codecs read and write what the generated classes read and write.</summary>
public class FieldRequestCodecTests
{
    private static readonly Gen<string> Text = Gen.Elements("", "a", "tenant", "Zürich", "表", "row-17", new string('x', 300));

    private static readonly Gen<Context?> Contexts =
        Gen.Frequency(
            (1, Gen.Constant<Context?>(null)),
            (3, Text.Zip(Text).ListOf().Select(pairs => (Context?)new Context
            {
                Entries = { pairs.Take(BulkLimits.MaxContextEntries).Select(pair =>
                    new ContextEntry { Key = pair.Item1, Value = pair.Item2 }) },
            })));

    private static readonly Gen<ByteString> Data =
        Gen.Choose(0, 255).Select(value => (byte)value).ArrayOf().Select(bytes => ByteString.CopyFrom(bytes));

    private static readonly Gen<EncryptBatchRequest> Batches =
        from key in Text
        from shared in Contexts
        from items in Data.Zip(Contexts).ListOf()
        select new EncryptBatchRequest
        {
            Key = key,
            Context = shared,
            Items = { items.Select(item => new EncryptItem { Plaintext = item.Item1, Context = item.Item2 }) },
        };

    [Fact]
    public void A_generated_encrypt_batch_is_read_whole_in_segments_of_any_size() =>
        Check.One(Config.QuickThrowOnFailure, Prop.ForAll(Batches.ToArbitrary(), Gen.Choose(1, 70).ToArbitrary(),
            (expected, segmentLength) =>
        {
            using var request = FieldRequest.Read(FieldMessage.EncryptBatch, Segments.Of(expected.ToByteArray(), segmentLength));
            AssertSame(expected, request);
        }));

    [Fact]
    public void A_generated_decrypt_batch_is_read_whole() =>
        Check.One(Config.QuickThrowOnFailure, Prop.ForAll(Batches.ToArbitrary(), batch =>
        {
            var expected = new DecryptBatchRequest
            {
                Context = batch.Context,
                Items = { batch.Items.Select(item => new DecryptItem { Ciphertext = item.Plaintext, Context = item.Context }) },
            };
            using var request = FieldRequest.Read(FieldMessage.DecryptBatch, Segments.Of(expected.ToByteArray(), 33));
            batch.Key = "";
            AssertSame(batch, request);
        }));

    [Fact]
    public void Generated_single_requests_are_read_as_one_item() =>
        Check.One(Config.QuickThrowOnFailure, Prop.ForAll(Contexts.ToArbitrary(), Data.ToArbitrary(), (context, data) =>
        {
            var expected = new EncryptBatchRequest { Key = "ehr", Context = context, Items = { new EncryptItem { Plaintext = data } } };
            var encrypt = new EncryptRequest { Key = "ehr", Context = context, Plaintext = data }.ToByteArray();
            using var encryption = FieldRequest.Read(FieldMessage.Encrypt, Segments.Of(encrypt, 7));
            AssertSame(expected, encryption);

            expected.Key = "";
            var decrypt = new DecryptRequest { Context = context, Ciphertext = data }.ToByteArray();
            using var decryption = FieldRequest.Read(FieldMessage.Decrypt, Segments.Of(decrypt, 7));
            AssertSame(expected, decryption);
        }));

    [Fact]
    public void What_the_builder_makes_the_generated_parser_reads() =>
        Check.One(Config.QuickThrowOnFailure, Prop.ForAll(Data.ListOf().ToArbitrary(), Text.ToArbitrary(), (items, text) =>
        {
            using var builder = new FieldRequestBuilder(FieldMessage.EncryptBatch);
            builder.SetKey(text);
            builder.AddContext("tenant"u8, System.Text.Encoding.UTF8.GetBytes(text));
            builder.AddContext("table"u8, "patient"u8);
            foreach (var item in items)
            {
                builder.AddItem(item.Span, item.IsEmpty ? default : "row"u8, System.Text.Encoding.UTF8.GetBytes(text));
            }

            using var request = builder.Build();
            var bytes = TestSerializationContext.Serialize(CipherMethods.EncryptBatch.RequestMarshaller, request);
            var expected = new EncryptBatchRequest
            {
                Key = text,
                Context = Pairs(("tenant", text), ("table", "patient")),
                Items = { items.Select(item => new EncryptItem { Plaintext = item, Context = item.IsEmpty
                    ? null : Pairs(("row", text)) }) },
            };
            Assert.Equal(expected, EncryptBatchRequest.Parser.ParseFrom(bytes));
        }));

    [Fact]
    public void Fields_of_a_later_client_are_passed_over_and_the_last_of_a_repeated_field_counts()
    {
        // key "x", an unknown varint (field 9), fixed64 (10), fixed32 (11), group (12, with a varint inside), bytes (13), key "ehr", two
        // contexts.
        byte[] bytes =
        [
            0x0A, 1, (byte)'x', 0x48, 0x96, 0x01, 0x51, 1, 2, 3, 4, 5, 6, 7, 8, 0x5D, 1, 2, 3, 4,
            0x63, 0x08, 0x01, 0x64, 0x6A, 2, 9, 9, 0x0A, 3, (byte)'e', (byte)'h', (byte)'r',
            0x12, 5, 0x0A, 3, 0x0A, 1, (byte)'a', 0x12, 5, 0x0A, 3, 0x0A, 1, (byte)'b',
        ];
        using var request = FieldRequest.Read(FieldMessage.EncryptBatch, Segments.Of(bytes, 1));
        AssertSame(EncryptBatchRequest.Parser.ParseFrom(bytes), request);
        Assert.Equal(2, request.SharedContext.Count);
    }

    [Fact]
    public void Bytes_that_are_no_message_are_a_problem_and_never_an_exception() =>
        Check.One(Config.QuickThrowOnFailure, Prop.ForAll(Data.ToArbitrary(), bytes =>
        {
            foreach (var kind in Enum.GetValues<FieldMessage>())
            {
                using var request = FieldRequest.Read(kind, Segments.Of(bytes.ToByteArray(), 3));
                for (var item = 0; request.Problem == FieldRequestProblem.None && item < request.ItemCount; item++)
                {
                    _ = request.Data(item).Length + request.ItemContext(item).Count;
                }
            }
        }));

    [Theory]
    [InlineData("0A")] // a length is missing
    [InlineData("0A05AA")] // less than the length says
    [InlineData("0AFFFFFFFF0F")] // a negative length
    [InlineData("00")] // field number 0
    [InlineData("0AFFFFFFFFFFFFFFFFFFFF01")] // a varint of eleven bytes
    [InlineData("64")] // the end of a group that never began
    [InlineData("63")] // a group without an end
    [InlineData("1A030A0561")] // an item's data longer than the item
    [InlineData("12030A0101")] // an entry that breaks off
    public void A_damaged_message_is_malformed(string hex)
    {
        using var request = FieldRequest.Read(FieldMessage.EncryptBatch, Segments.Of(Convert.FromHexString(hex), 1));
        Assert.Equal(FieldRequestProblem.Malformed, request.Problem);
    }

    [Fact]
    public void Ten_thousand_items_are_read_and_one_more_is_too_many()
    {
        var batch = new EncryptBatchRequest { Items = { Enumerable.Range(0, BulkLimits.MaxItems).Select(_ => new EncryptItem()) } };
        using var full = FieldRequest.Read(FieldMessage.EncryptBatch, Segments.Of(batch.ToByteArray(), 4096));
        Assert.Equal((FieldRequestProblem.None, BulkLimits.MaxItems), (full.Problem, full.ItemCount));

        batch.Items.Add(new EncryptItem());
        using var over = FieldRequest.Read(FieldMessage.EncryptBatch, Segments.Of(batch.ToByteArray(), 4096));
        Assert.Equal(FieldRequestProblem.TooManyItems, over.Problem);
    }

    [Fact]
    public void A_message_of_more_than_3_MiB_is_too_large()
    {
        using var over = FieldRequest.Read(FieldMessage.Decrypt, Segments.Of(new byte[BulkLimits.MaxMessageLength + 1], 4096));
        Assert.Equal(FieldRequestProblem.TooManyBytes, over.Problem);
    }

    [Fact]
    public void A_context_of_many_entries_is_kept_to_one_more_than_allowed()
    {
        var context = new Context { Entries = { Enumerable.Range(0, 5000).Select(_ => new ContextEntry()) } };
        var batch = new EncryptBatchRequest { Context = context, Items = { new EncryptItem { Context = context } } };
        using var request = FieldRequest.Read(FieldMessage.EncryptBatch, Segments.Of(batch.ToByteArray(), 4096));
        Assert.Equal(BulkLimits.MaxContextEntries + 1, request.SharedContext.Count);
        Assert.Equal(BulkLimits.MaxContextEntries + 1, request.ItemContext(0).Count);
    }

    private static Context Pairs(params (string Key, string Value)[] pairs) =>
        new() { Entries = { pairs.Select(pair => new ContextEntry { Key = pair.Key, Value = pair.Value }) } };

    private static void AssertSame(EncryptBatchRequest expected, FieldRequest actual)
    {
        Assert.Equal(FieldRequestProblem.None, actual.Problem);
        Assert.Equal(expected.Key, System.Text.Encoding.UTF8.GetString(actual.Key));
        Assert.Equal(expected.Context?.Entries ?? [], Read(actual.SharedContext));
        Assert.Equal(expected.Items.Count, actual.ItemCount);
        for (var item = 0; item < actual.ItemCount; item++)
        {
            Assert.Equal(expected.Items[item].Plaintext.ToByteArray(), actual.Data(item).ToArray());
            Assert.Equal(expected.Items[item].Context?.Entries ?? [], Read(actual.ItemContext(item)));
        }
    }

    private static List<ContextEntry> Read(ContextEntries entries)
    {
        var list = new List<ContextEntry>();
        for (var entry = 0; entry < entries.Count; entry++)
        {
            list.Add(new ContextEntry { Key = ByteString.CopyFrom(entries.Key(entry)).ToStringUtf8(),
                Value = ByteString.CopyFrom(entries.Value(entry)).ToStringUtf8() });
        }

        return list;
    }
}
