using System.Security.Cryptography;
using Google.Protobuf;
using Grpc.Core;
using KeyService.Crypto;
using KeyService.Protocol.V1;
using AuditOutcome = KeyService.Protocol.V1.AuditOutcome;
using WireRecord = KeyService.Protocol.V1.AuditRecord;

namespace KeyService.IntegrationTests.Service;

/// <summary>What the record of a call says: key, version, context digest, counts, reason; one record a call, whatever its size.</summary>
[Collection(RunningService.Name)]
public sealed class AuditFactsTests(ServiceFixture service)
{
    [Fact]
    public async Task A_batch_is_one_record_with_its_counts()
    {
        var key = await Calls.NewKeyAsync(service);
        using var database = service.ConnectAs("database");
        var request = new EncryptBatchRequest { Key = key.Name, Context = Calls.Context(("tenant", "a")) };
        request.Items.AddRange(Enumerable.Range(0, 25).Select(_ => new EncryptItem { Plaintext = ByteString.CopyFrom(new byte[4]) }));
        var tokens = await new Cipher.CipherClient(database).EncryptBatchAsync(request);
        var decryption = new DecryptBatchRequest { Context = request.Context };
        decryption.Items.AddRange(tokens.Results.Select(token => new DecryptItem { Ciphertext = token.Data }));
        decryption.Items[0].Context = Calls.Context(("row", "1"));
        await new Cipher.CipherClient(database).DecryptBatchAsync(decryption);

        var records = await TailAsync(key.Name);
        var digest = records[1].Record.ContextDigest;
        Assert.Equal(32, digest.Length);
        // Without the installation's key nobody can try contexts against the log.
        Assert.NotEqual(SHA256.HashData(EncryptionContext.Create("tenant", "a").Encoded), digest);
        Assert.Equal(["key-created", "fields-encrypted", "fields-decrypted"], records.Select(each => each.Wire.Event));
        Assert.All(records, each => Assert.Equal((key.Primary.Id, AuditOutcome.Success), (each.Wire.KeyVersion, each.Wire.Outcome)));
        foreach (var (wire, record) in records.Skip(1))
        {
            Assert.Equal(("database", 25L), (wire.Principal, wire.ItemCount));
            Assert.Equal(digest, record.ContextDigest);
        }

        Assert.Equal([100UL, 96UL], records.Skip(1).Select(each => each.Record.ByteCount));
        Assert.Equal("1 of 25 items refused", records[2].Record.Detail);
    }

    [Fact]
    public async Task A_refusal_is_recorded_with_the_key_and_the_reason()
    {
        var key = await Calls.NewKeyAsync(service);
        using var database = service.ConnectAs("database");
        var binding = new DataKeyBinding { Use = DataKeyUse.General };
        var client = new DataKeys.DataKeysClient(database);
        var made = await client.GenerateDataKeyAsync(new GenerateDataKeyRequest { Key = key.Name, Binding = binding });
        await Calls.RefusedAsync(
            Reason.DecryptionFailed,
            client.UnwrapDataKeyAsync(new UnwrapDataKeyRequest { Wrapped = made.Wrapped,
                Binding = new DataKeyBinding { Use = DataKeyUse.General, Context = Calls.Context(("a", "b")) } }));

        var records = await TailAsync(key.Name);
        Assert.Equal(["key-created", "data-key-generated", "data-key-unwrapped"], records.Select(each => each.Wire.Event));
        Assert.Equal((AuditOutcome.Refused, "DECRYPTION_FAILED"), (records[2].Wire.Outcome, records[2].Wire.Reason));
        Assert.NotEqual(records[1].Record.ContextDigest, records[2].Record.ContextDigest);
        using var administrator = service.ConnectAs("administrator");
        var found = await new Protocol.V1.Audit.AuditClient(administrator).SearchAsync(new SearchRequest { Key = key.Name, Context = Calls.Context(("a", "b")) });
        Assert.Equal(records[2].Wire.Sequence, Assert.Single(found.Records).Sequence);
        await Calls.RefusedAsync(Reason.InvalidArgument, new Protocol.V1.Audit.AuditClient(administrator).SearchAsync(new SearchRequest { Context = new Context() }));
    }

    [Fact]
    public async Task A_stream_is_opened_and_closed()
    {
        var key = await Calls.NewKeyAsync(service);
        using var backup = service.ConnectAs("backup");
        using (var call = new Cipher.CipherClient(backup).EncryptStream())
        {
            await call.RequestStream.WriteAsync(new EncryptStreamRequest { Start = new EncryptStreamStart { Key = key.Name } });
            await call.RequestStream.WriteAsync(new EncryptStreamRequest { Data = ByteString.CopyFrom(new byte[1000]) });
            await call.RequestStream.WriteAsync(new EncryptStreamRequest { Finish = new StreamFinish() });
            await call.RequestStream.CompleteAsync();
            await foreach (var _ in call.ResponseStream.ReadAllAsync())
            {
                // To the end.
            }
        }

        var records = await TailAsync(key.Name);
        Assert.Equal(["key-created", "encrypt-stream-opened", "encrypt-stream-closed"], records.Select(each => each.Wire.Event));
        Assert.Equal(1000UL, records[2].Record.ByteCount);
    }

    private async Task<List<(WireRecord Wire, Crypto.AuditRecord Record)>> TailAsync(string key)
    {
        using var administrator = service.ConnectAs("administrator");
        using var tail = new Protocol.V1.Audit.AuditClient(administrator).Tail(new TailRequest { Start = -200 });
        var records = new List<(WireRecord, Crypto.AuditRecord)>();
        await foreach (var response in tail.ResponseStream.ReadAllAsync())
        {
            // Beside what is called for, the service itself makes versions ahead and reserves wraps, at some moment.
            if (response.Record.Key == key && response.Record.Principal.Length > 0)
            {
                Assert.True(Crypto.AuditRecord.TryParse(response.Record.Canonical.Span, out var record));
                records.Add((response.Record, record!));
            }
        }

        return records;
    }
}
