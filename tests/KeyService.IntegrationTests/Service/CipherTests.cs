using Google.Protobuf;
using Grpc.Net.Client;
using KeyService.Crypto;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.Service;

/// <summary>Encrypt, Decrypt and the batches through generated stubs: what any foreign client does.</summary>
[Collection(RunningService.Name)]
public sealed class CipherTests(ServiceFixture service) : IDisposable
{
    private readonly GrpcChannel database = service.ConnectAs("database");

    private Cipher.CipherClient Client => new(database);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(100)]
    [InlineData(1 << 20)]
    public async Task A_field_comes_back_with_its_context(int length)
    {
        var key = await Calls.NewKeyAsync(service);
        var plaintext = Bytes(length);
        var context = Calls.Context(("tenant", "a"), ("table", "patient"));
        var made = await Client.EncryptAsync(new EncryptRequest { Key = key.Name, Context = context, Plaintext = plaintext });

        Assert.Equal((length + 49, key.Primary.Id), (made.Ciphertext.Length, made.KeyVersion));
        var reordered = Calls.Context(("table", "patient"), ("tenant", "a"));
        var opened = await Client.DecryptAsync(new DecryptRequest { Ciphertext = made.Ciphertext, Context = reordered });
        Assert.Equal((plaintext, key.Name, key.Primary.Id), (opened.Plaintext, opened.Key, opened.KeyVersion));
    }

    [Fact]
    public async Task Damage_another_context_and_another_key_are_one_answer()
    {
        var key = await Calls.NewKeyAsync(service);
        var other = await Calls.NewKeyAsync(service);
        var context = Calls.Context(("row", "1"));
        var token = (await Client.EncryptAsync(new EncryptRequest { Key = key.Name, Context = context, Plaintext = Bytes(50) })).Ciphertext;
        var sentences = new List<string>
        {
            await Calls.RefusedAsync(Reason.DecryptionFailed,
                Client.DecryptAsync(new DecryptRequest { Ciphertext = token, Context = Calls.Context(("row", "2")) })),
            await Calls.RefusedAsync(Reason.DecryptionFailed, Client.DecryptAsync(new DecryptRequest { Ciphertext = token })),
            await Calls.RefusedAsync(Reason.DecryptionFailed, Client.DecryptAsync(new DecryptRequest { Context = context })),
        };
        foreach (var place in new[] { 0, 9, 33, 98 })
        {
            var damaged = token.ToByteArray();
            damaged[place] ^= 1;
            sentences.Add(await Calls.RefusedAsync(
                Reason.DecryptionFailed, Client.DecryptAsync(
                    new DecryptRequest { Ciphertext = ByteString.CopyFrom(damaged), Context = context })));
        }

        // The token under another key's version: its header is bound too.
        var moved = token.ToByteArray();
        Assert.True(KeyVersionId.TryParse(other.Primary.Id, out var otherVersion));
        otherVersion.WriteTo(moved.AsSpan(1));
        sentences.Add(await Calls.RefusedAsync(
            Reason.DecryptionFailed, Client.DecryptAsync(new DecryptRequest { Ciphertext = ByteString.CopyFrom(moved),
                Context = context })));
        Assert.Single(sentences.Distinct());

        KeyVersionId.NewRandom().WriteTo(moved.AsSpan(1));
        await Calls.RefusedAsync(Reason.AccessDenied, Client.DecryptAsync(
            new DecryptRequest { Ciphertext = ByteString.CopyFrom(moved), Context = context }));
        await Calls.RefusedAsync(Reason.AccessDenied, Client.EncryptAsync(new EncryptRequest { Key = "no/such-key" }));
    }

    [Fact]
    public async Task A_batch_keeps_its_order_and_each_item_its_own_context()
    {
        var key = await Calls.NewKeyAsync(service);
        var request = new EncryptBatchRequest { Key = key.Name, Context = Calls.Context(("tenant", "a")) };
        for (var row = 0; row < 100; row++)
        {
            request.Items.Add(new EncryptItem { Plaintext = Bytes(row), Context = Calls.Context(("row", $"{row}")) });
        }

        var tokens = (await Client.EncryptBatchAsync(request)).Results;
        var decryption = new DecryptBatchRequest { Context = request.Context };
        decryption.Items.AddRange(tokens.Select((token, row) =>
            new DecryptItem { Ciphertext = token.Data, Context = Calls.Context(("row", $"{row}")) }));
        var opened = (await Client.DecryptBatchAsync(decryption)).Results;
        Assert.Equal(request.Items.Select(item => item.Plaintext), opened.Select(result => result.Data));

        // Two rows swapped, as somebody with the database could: only these two fail.
        (decryption.Items[3].Ciphertext, decryption.Items[4].Ciphertext) = (decryption.Items[4].Ciphertext, decryption.Items[3].Ciphertext);
        opened = (await Client.DecryptBatchAsync(decryption)).Results;
        Assert.Equal([3, 4], opened.Index().Where(each => each.Item.ResultCase == CipherResult.ResultOneofCase.Error).Select(each =>
            each.Index));
        Assert.Equal("DECRYPTION_FAILED", opened[3].Error);

        // The whole context may stand with the item as well, or with the call.
        var alone = await Client.DecryptAsync(new DecryptRequest { Ciphertext = tokens[7].Data,
            Context = Calls.Context(("row", "7"), ("tenant", "a")) });
        Assert.Equal(request.Items[7].Plaintext, alone.Plaintext);
    }

    [Fact]
    public async Task Tokens_of_several_keys_and_versions_and_garbage_are_answered_one_by_one()
    {
        var first = await Calls.NewKeyAsync(service);
        var second = await Calls.NewKeyAsync(service);
        var request = new DecryptBatchRequest();
        foreach (var name in new[] { first.Name, second.Name })
        {
            request.Items.Add(new DecryptItem { Ciphertext = (
                await Client.EncryptAsync(new EncryptRequest { Key = name, Plaintext = ByteString.CopyFromUtf8(name) })).Ciphertext });
        }

        await Calls.RotateAsync(service, first.Name);
        request.Items.Add(new DecryptItem { Ciphertext = (await Client.EncryptAsync(
            new EncryptRequest { Key = first.Name, Plaintext = ByteString.CopyFromUtf8("new") })).Ciphertext });
        var unknown = request.Items[0].Ciphertext.ToByteArray();
        KeyVersionId.NewRandom().WriteTo(unknown.AsSpan(1));
        request.Items.Add(new DecryptItem { Ciphertext = ByteString.CopyFrom(unknown) });
        request.Items.Add(new DecryptItem { Ciphertext = ByteString.CopyFromUtf8("garbage") });
        request.Items.Add(new DecryptItem());

        var results = (await Client.DecryptBatchAsync(request)).Results;
        Assert.Equal([first.Name, second.Name, "new", "", "", ""], results.Select(result => result.Data.ToStringUtf8()));
        Assert.Equal(["", "", "", "ACCESS_DENIED", "DECRYPTION_FAILED", "DECRYPTION_FAILED"], results.Select(result => result.Error));
    }

    [Fact]
    public async Task Reencryption_moves_fields_to_the_new_version_and_shows_no_plaintext()
    {
        var key = await Calls.NewKeyAsync(service);
        var context = Calls.Context(("table", "notes"));
        var encryption = new EncryptBatchRequest { Key = key.Name, Context = context };
        encryption.Items.AddRange(Enumerable.Range(0, 20).Select(row =>
            new EncryptItem { Plaintext = Bytes(row * 10), Context = Calls.Context(("row", $"{row}")) }));
        var request = new ReencryptBatchRequest { Context = context };
        request.Items.AddRange((await Client.EncryptBatchAsync(encryption)).Results.Select(
            (token, row) => new DecryptItem { Ciphertext = token.Data, Context = Calls.Context(("row", $"{row}")) }));
        request.Items[5].Context = Calls.Context(("row", "6"));
        var rotated = await Calls.RotateAsync(service, key.Name);

        var moved = (await Client.ReencryptBatchAsync(request)).Results;
        Assert.Equal("DECRYPTION_FAILED", moved[5].Error);
        for (var row = 0; row < 20; row++)
        {
            if (row != 5)
            {
                Assert.True(FieldToken.TryParse(moved[row].Data.Span, out var token));
                Assert.Equal(rotated.Primary.Id, token.VersionId.ToString());
                var opened = await Client.DecryptAsync(new DecryptRequest
                {
                    Ciphertext = moved[row].Data, Context = Calls.Context(("table", "notes"), ("row", $"{row}")),
                });
                Assert.Equal(encryption.Items[row].Plaintext, opened.Plaintext);
            }
        }
    }

    [Fact]
    public async Task Ten_thousand_items_are_done_and_one_more_is_refused()
    {
        var key = (await Calls.NewKeyAsync(service)).Name;
        var request = new EncryptBatchRequest { Key = key };
        request.Items.AddRange(Enumerable.Repeat(new EncryptItem { Plaintext = Bytes(10) }, 10_000));
        var tokens = (await Client.EncryptBatchAsync(request)).Results;
        Assert.Equal(10_000, tokens.Select(token => token.Data).Distinct().Count());

        request.Items.Add(new EncryptItem());
        Assert.Contains("10,000", await Calls.RefusedAsync(Reason.BatchTooLarge, Client.EncryptBatchAsync(request)),
            StringComparison.Ordinal);
        var decryption = new DecryptBatchRequest();
        decryption.Items.AddRange(Enumerable.Repeat(new DecryptItem(), 10_001));
        await Calls.RefusedAsync(Reason.BatchTooLarge, Client.DecryptBatchAsync(decryption));
        await Calls.RefusedAsync(Reason.BatchTooLarge, Client.ReencryptBatchAsync(
            new ReencryptBatchRequest { Items = { decryption.Items } }));
        await Calls.RefusedAsync(Reason.InvalidArgument, Client.EncryptBatchAsync(new EncryptBatchRequest { Key = key }));
    }

    [Fact]
    public async Task Bytes_over_the_limit_are_refused_before_any_work()
    {
        var key = (await Calls.NewKeyAsync(service)).Name;
        Assert.Contains(
            "1 MiB",
            await Calls.RefusedAsync(Reason.InvalidArgument, Client.EncryptAsync(
                new EncryptRequest { Key = key, Plaintext = Bytes((1 << 20) + 1) })),
            StringComparison.Ordinal);
        var item = new EncryptBatchRequest { Key = key, Items = { new EncryptItem(),
            new EncryptItem { Plaintext = Bytes((1 << 20) + 1) } } };
        Assert.Contains("items[1].plaintext", await Calls.RefusedAsync(Reason.InvalidArgument, Client.EncryptBatchAsync(item)),
            StringComparison.Ordinal);

        var request = new EncryptBatchRequest { Key = key };
        request.Items.AddRange(Enumerable.Repeat(new EncryptItem { Plaintext = Bytes(1 << 20) }, 3));
        Assert.Contains("3 MiB", await Calls.RefusedAsync(Reason.BatchTooLarge, Client.EncryptBatchAsync(request)),
            StringComparison.Ordinal);

        // The request fits, the answer does not: every token is 49 bytes longer.
        var answer = new EncryptBatchRequest { Key = key };
        answer.Items.AddRange(Enumerable.Repeat(new EncryptItem { Plaintext = Bytes(280) }, 10_000));
        Assert.InRange(answer.CalculateSize(), 2_500_000, 3 << 20);
        Assert.Contains("answer", await Calls.RefusedAsync(Reason.BatchTooLarge, Client.EncryptBatchAsync(answer)),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_context_that_breaks_a_rule_is_refused_with_the_place_and_the_rule()
    {
        var key = (await Calls.NewKeyAsync(service)).Name;
        var seventeen = Calls.Context([.. Enumerable.Range(0, 17).Select(i => ($"k{i}", "v"))]);
        foreach (var (context, rule) in new[]
        {
            (seventeen, "16 pairs"),
            (Calls.Context(("key", "bad \uFFFD")), "U+FFFD"),
            (Calls.Context(("key", "bad \0")), "U+0000"),
            (Calls.Context(("", "v")), "1 to 255"),
            (Calls.Context(("a", "1"), ("a", "2")), "twice"),
            (Calls.Context(("a", new string('x', 1025))), "1024"),
        })
        {
            Assert.Contains(rule, await Calls.RefusedAsync(Reason.InvalidContext,
                Client.EncryptAsync(new EncryptRequest { Key = key, Context = context })), StringComparison.Ordinal);
            Assert.Contains(rule, await Calls.RefusedAsync(Reason.InvalidContext,
                Client.DecryptAsync(new DecryptRequest { Context = context })), StringComparison.Ordinal);
            var batch = new EncryptBatchRequest { Key = key, Items = { new EncryptItem(), new EncryptItem { Context = context } } };
            var sentence = await Calls.RefusedAsync(Reason.InvalidContext, Client.EncryptBatchAsync(batch));
            Assert.Contains(rule, sentence, StringComparison.Ordinal);
            Assert.Contains("items[1].context", sentence, StringComparison.Ordinal);
            using var channel = service.ConnectAs("database");
            await Calls.RefusedAsync(
                Reason.InvalidContext,
                new DataKeys.DataKeysClient(channel).GenerateDataKeyAsync(
                    new GenerateDataKeyRequest { Key = key, Binding = new DataKeyBinding { Use = DataKeyUse.General,
                        Context = context } }));
        }

        var inBoth = new EncryptBatchRequest { Key = key, Context = Calls.Context(("row", "1")),
            Items = { new EncryptItem { Context = Calls.Context(("row", "1")) } } };
        Assert.Contains("items[0].context", await Calls.RefusedAsync(Reason.InvalidContext, Client.EncryptBatchAsync(inBoth)),
            StringComparison.Ordinal);
    }

    public void Dispose() => database.Dispose();

    private static ByteString Bytes(int length)
    {
        var bytes = new byte[length];
        Random.Shared.NextBytes(bytes);
        return UnsafeByteOperations.UnsafeWrap(bytes);
    }
}
