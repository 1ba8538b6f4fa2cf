using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.Service;

/// <summary>A role narrowed by a prefix and a set, on every path that has a context: the same contexts pass and the same are refused.</summary>
[Collection(RunningService.Name)]
public sealed class GrantTermsTests(ServiceFixture service)
{
    private static readonly Context Mine = Calls.Context(("table", "ehr/labs"), ("tenant", "south"), ("row", "17"));

    private static readonly Context[] Foreign =
    [
        Calls.Context(("table", "ehr/labs"), ("tenant", "east")),
        Calls.Context(("table", "ehrlabs"), ("tenant", "south")),
        Calls.Context(("table", "ehr/"), ("tenant", "south")),
        Calls.Context(("tenant", "south")),
        Calls.Context(("table", "ehr/labs")),
        Calls.Context(),
    ];

    [Fact]
    public async Task Data_keys_are_made_opened_and_wrapped_again_in_contexts_of_the_terms_only()
    {
        var key = (await Calls.NewKeyAsync(service)).Name;
        using var everything = await RegisterAsync(key, narrowed: false);
        using var channel = await RegisterAsync(key, narrowed: true);
        var client = new DataKeys.DataKeysClient(channel);
        var made = await client.GenerateDataKeyAsync(new GenerateDataKeyRequest { Key = key, Binding = General(Mine) });
        await client.GenerateDataKeysAsync(new GenerateDataKeysRequest { Key = key, Binding = General(Mine), Count = 2 });
        await client.UnwrapDataKeyAsync(new UnwrapDataKeyRequest { Wrapped = made.Wrapped, Binding = General(Mine) });
        await client.RewrapDataKeyAsync(new RewrapDataKeyRequest { Wrapped = made.Wrapped, Binding = General(Mine) });

        foreach (var context in Foreign)
        {
            var foreign = await new DataKeys.DataKeysClient(everything).GenerateDataKeyAsync(new GenerateDataKeyRequest { Key = key, Binding = General(context) });
            await Calls.RefusedAsync(Reason.AccessDenied, client.GenerateDataKeyAsync(new GenerateDataKeyRequest { Key = key, Binding = General(context) }));
            await Calls.RefusedAsync(Reason.AccessDenied, client.GenerateDataKeysAsync(new GenerateDataKeysRequest { Key = key, Binding = General(context), Count = 2 }));
            await Calls.RefusedAsync(Reason.AccessDenied, client.UnwrapDataKeyAsync(new UnwrapDataKeyRequest { Wrapped = foreign.Wrapped, Binding = General(context) }));
            var rewrap = new RewrapDataKeyRequest { Wrapped = foreign.Wrapped, Binding = General(context) };
            await Calls.RefusedAsync(Reason.AccessDenied, client.RewrapDataKeyAsync(rewrap));
            var many = await client.RewrapDataKeysAsync(new RewrapDataKeysRequest
            {
                Items = { new RewrapDataKeyRequest { Wrapped = made.Wrapped, Binding = General(Mine) }, rewrap },
            });
            Assert.Equal(["", "ACCESS_DENIED"], many.Results.Select(result => result.Error));
        }
    }

    [Fact]
    public async Task Fields_alone_and_in_batches_pass_in_contexts_of_the_terms_only()
    {
        var key = (await Calls.NewKeyAsync(service)).Name;
        using var everything = await RegisterAsync(key, narrowed: false);
        using var channel = await RegisterAsync(key, narrowed: true);
        var client = new Cipher.CipherClient(channel);
        var token = (await client.EncryptAsync(new EncryptRequest { Key = key, Context = Mine })).Ciphertext;
        await client.DecryptAsync(new DecryptRequest { Ciphertext = token, Context = Mine });

        foreach (var context in Foreign)
        {
            var foreign = (await new Cipher.CipherClient(everything).EncryptAsync(new EncryptRequest { Key = key, Context = context })).Ciphertext;
            await Calls.RefusedAsync(Reason.AccessDenied, client.EncryptAsync(new EncryptRequest { Key = key, Context = context }));
            await Calls.RefusedAsync(Reason.AccessDenied, client.DecryptAsync(new DecryptRequest { Ciphertext = foreign, Context = context }));
            await Calls.RefusedAsync(Reason.AccessDenied, client.EncryptBatchAsync(
                new EncryptBatchRequest { Key = key, Items = { new EncryptItem { Context = Mine }, new EncryptItem { Context = context } } }));
            DecryptItem[] items = [new() { Ciphertext = token, Context = Mine }, new() { Ciphertext = foreign, Context = context }];
            Assert.Equal(["", "ACCESS_DENIED"], (await client.DecryptBatchAsync(new DecryptBatchRequest { Items = { items } })).Results.Select(result => result.Error));
            Assert.Equal(["", "ACCESS_DENIED"], (await client.ReencryptBatchAsync(new ReencryptBatchRequest { Items = { items } })).Results.Select(result => result.Error));
            await Calls.RefusedAsync(Reason.AccessDenied, client.ReencryptBatchAsync(new ReencryptBatchRequest { Items = { items[1] } }));
        }

        // The shared pairs and an item's own together are what counts.
        await client.EncryptBatchAsync(new EncryptBatchRequest
        {
            Key = key, Context = Calls.Context(("tenant", "north")), Items = { new EncryptItem { Context = Calls.Context(("table", "ehr/labs")) } },
        });
    }

    [Fact]
    public async Task Archives_as_streams_pass_in_contexts_of_the_terms_only()
    {
        var key = (await Calls.NewKeyAsync(service)).Name;
        using var everything = await RegisterAsync(key, narrowed: false);
        using var channel = await RegisterAsync(key, narrowed: true);
        var client = new Cipher.CipherClient(channel);
        await DecryptAsync(client, await EncryptAsync(client, key, Mine));
        foreach (var context in Foreign)
        {
            var foreign = await EncryptAsync(new Cipher.CipherClient(everything), key, context);
            await Calls.RefusedAsync(Reason.AccessDenied, () => EncryptAsync(client, key, context));
            await Calls.RefusedAsync(Reason.AccessDenied, () => DecryptAsync(client, foreign));
        }
    }

    [Fact]
    public async Task A_quota_of_items_holds_over_single_calls_batches_and_data_keys_and_says_when_it_begins_anew()
    {
        var key = (await Calls.NewKeyAsync(service)).Name;
        using var channel = await RegisterAsync(key, narrowed: false, new Quota { Measure = QuotaMeasure.Items, Window = QuotaWindow.Day, Limit = 10 });
        var cipher = new Cipher.CipherClient(channel);
        var dataKeys = new DataKeys.DataKeysClient(channel);
        var token = (await cipher.EncryptAsync(new EncryptRequest { Key = key })).Ciphertext;
        await cipher.EncryptBatchAsync(new EncryptBatchRequest { Key = key, Items = { new EncryptItem(), new EncryptItem(), new EncryptItem() } });
        await cipher.DecryptBatchAsync(new DecryptBatchRequest { Items = { new DecryptItem { Ciphertext = token }, new DecryptItem { Ciphertext = token } } });
        // Four are left; a batch of five is refused whole.
        await Calls.RefusedAsync(Reason.QuotaExhausted, dataKeys.GenerateDataKeysAsync(new GenerateDataKeysRequest { Key = key, Binding = General(new Context()), Count = 5 }));
        await dataKeys.GenerateDataKeysAsync(new GenerateDataKeysRequest { Key = key, Binding = General(new Context()), Count = 4 });
        var refusal = await Assert.ThrowsAsync<RpcException>(() => cipher.DecryptAsync(new DecryptRequest { Ciphertext = token }).ResponseAsync);
        Assert.Equal(StatusCode.ResourceExhausted, refusal.StatusCode);
        var retry = refusal.GetRpcStatus()!.GetDetail<Google.Rpc.RetryInfo>();
        Assert.InRange(retry!.RetryDelay.ToTimeSpan(), TimeSpan.FromSeconds(0.1), TimeSpan.FromDays(1));
    }

    [Fact]
    public async Task A_quota_of_bytes_ends_an_archive_that_grows_over_it()
    {
        var key = (await Calls.NewKeyAsync(service)).Name;
        using var channel = await RegisterAsync(key, narrowed: false, new Quota { Measure = QuotaMeasure.Bytes, Window = QuotaWindow.Day, Limit = 3 << 20 });
        var client = new Cipher.CipherClient(channel);
        await client.EncryptAsync(new EncryptRequest { Key = key, Plaintext = ByteString.CopyFrom(new byte[1 << 20]) });
        using var call = client.EncryptStream();
        await call.RequestStream.WriteAsync(new EncryptStreamRequest { Start = new EncryptStreamStart { Key = key } });
        await Calls.RefusedAsync(Reason.QuotaExhausted, async () =>
        {
            var sending = Task.Run(async () =>
            {
                for (var piece = 0; piece < 5; piece++)
                {
                    await call.RequestStream.WriteAsync(new EncryptStreamRequest { Data = ByteString.CopyFrom(new byte[1 << 20]) });
                }
            });
            try
            {
                await foreach (var _ in call.ResponseStream.ReadAllAsync())
                {
                }
            }
            finally
            {
                await sending.ContinueWith(_ => { }, TaskScheduler.Default);
            }
        });
    }

    [Fact]
    public async Task The_grant_is_answered_as_it_was_asked_for()
    {
        using var channel = await RegisterAsync("scripts/*", narrowed: true);
        var grant = Assert.Single((await new Access.AccessClient(channel).WhoAmIAsync(new WhoAmIRequest())).Grants);
        Assert.Equal(["data-user"], grant.Roles);
        Assert.Empty(grant.Permissions);
        Assert.Empty(grant.ContextConstraint.Entries);
        Assert.Equal(Rules(), grant.ContextRules);
    }

    private static ContextRule[] Rules() =>
    [
        new() { Key = "table", Prefix = "ehr/" }, new() { Key = "tenant", OneOf = new ValueSet { Values = { "north", "south" } } },
    ];

    private static DataKeyBinding General(Context context) => new() { Use = DataKeyUse.General, Context = context };

    private static async Task<ByteString> EncryptAsync(Cipher.CipherClient client, string key, Context context)
    {
        using var call = client.EncryptStream();
        await call.RequestStream.WriteAsync(new EncryptStreamRequest { Start = new EncryptStreamStart { Key = key, Context = context } });
        await call.RequestStream.WriteAsync(new EncryptStreamRequest { Data = ByteString.CopyFromUtf8("at hand") });
        await call.RequestStream.WriteAsync(new EncryptStreamRequest { Finish = new StreamFinish() });
        var archive = new MemoryStream();
        await foreach (var answer in call.ResponseStream.ReadAllAsync())
        {
            answer.Data?.WriteTo(archive);
        }
        return ByteString.CopyFrom(archive.ToArray());
    }

    private static async Task DecryptAsync(Cipher.CipherClient client, ByteString archive)
    {
        using var call = client.DecryptStream();
        await call.RequestStream.WriteAsync(new DecryptStreamRequest { Start = new DecryptStreamStart() });
        await call.RequestStream.WriteAsync(new DecryptStreamRequest { Data = archive });
        await call.RequestStream.WriteAsync(new DecryptStreamRequest { Finish = new StreamFinish() });
        await foreach (var _ in call.ResponseStream.ReadAllAsync())
        {
        }
    }

    private async Task<GrpcChannel> RegisterAsync(string pattern, bool narrowed, params Quota[] quotas)
    {
        var name = $"terms-{Guid.NewGuid():N}";
        await service.IssueClientAsync(name);
        using var administrator = service.ConnectAs("administrator");
        var access = new Access.AccessClient(administrator);
        await access.CreatePrincipalAsync(new CreatePrincipalRequest
        {
            RequestId = Calls.NewRequestId(), Name = name, Type = PrincipalType.Service, Credential = new Credential { CertificateSanUri = $"keyservice:principal/{name}" },
        });
        var grant = new CreateGrantRequest { RequestId = Calls.NewRequestId(), Principal = name, KeyPattern = pattern, Roles = { "data-user" } };
        grant.Quotas.AddRange(quotas);
        if (narrowed)
        {
            grant.ContextRules.AddRange(Rules());
        }

        await access.CreateGrantAsync(grant);
        return service.ConnectAs(name);
    }
}
