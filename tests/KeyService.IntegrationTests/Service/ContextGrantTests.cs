using Google.Protobuf;
using Grpc.Net.Client;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.Service;

/// <summary>A grant with a context constraint covers a call only where the effective context, shared and item's own, carries it.</summary>
[Collection(RunningService.Name)]
public sealed class ContextGrantTests(ServiceFixture service)
{
    [Fact]
    public async Task Every_item_must_carry_what_the_grant_demands()
    {
        var key = (await Calls.NewKeyAsync(service)).Name;
        using var channel = await RegisterAsync(key, ("tenant", "a"));
        var client = new Cipher.CipherClient(channel);
        var mine = Calls.Context(("tenant", "a"));
        var other = Calls.Context(("tenant", "b"));

        var shared = await client.EncryptBatchAsync(new EncryptBatchRequest { Key = key, Context = mine,
            Items = { new EncryptItem(), new EncryptItem() } });
        Assert.Equal(2, shared.Results.Count);
        await client.EncryptBatchAsync(new EncryptBatchRequest { Key = key,
            Items = { new EncryptItem { Context = mine }, new EncryptItem { Context = mine } } });
        await Calls.RefusedAsync(
            Reason.AccessDenied,
            client.EncryptBatchAsync(new EncryptBatchRequest { Key = key,
                Items = { new EncryptItem { Context = mine }, new EncryptItem { Context = other } } }));
        await Calls.RefusedAsync(
            Reason.AccessDenied, client.EncryptBatchAsync(new EncryptBatchRequest { Key = key,
                Items = { new EncryptItem { Context = mine }, new EncryptItem() } }));
        await Calls.RefusedAsync(Reason.AccessDenied, client.EncryptAsync(new EncryptRequest { Key = key, Context = other }));
        await Calls.RefusedAsync(Reason.AccessDenied, client.EncryptAsync(new EncryptRequest { Key = key }));
        await client.EncryptAsync(new EncryptRequest { Key = key, Context = mine });
    }

    [Fact]
    public async Task A_token_of_another_tenant_is_denied_one_by_one_or_as_a_whole()
    {
        var key = (await Calls.NewKeyAsync(service)).Name;
        using var everything = service.ConnectAs("database");
        using var channel = await RegisterAsync(key, ("tenant", "a"));
        var client = new Cipher.CipherClient(channel);
        var tokens = new Dictionary<string, ByteString>();
        foreach (var tenant in new[] { "a", "b" })
        {
            tokens[tenant] = (await new Cipher.CipherClient(everything).EncryptAsync(
                new EncryptRequest { Key = key, Context = Calls.Context(("tenant", tenant)),
                    Plaintext = ByteString.CopyFromUtf8(tenant) })).Ciphertext;
        }

        var request = new DecryptBatchRequest();
        request.Items.AddRange(tokens.Select(token => new DecryptItem { Ciphertext = token.Value,
            Context = Calls.Context(("tenant", token.Key)) }));
        var results = (await client.DecryptBatchAsync(request)).Results;
        Assert.Equal("a", results[0].Data.ToStringUtf8());
        Assert.Equal("ACCESS_DENIED", results[1].Error);

        // To name the own tenant for it passes the grant and fails the tag.
        request.Items[1].Context = Calls.Context(("tenant", "a"));
        Assert.Equal("DECRYPTION_FAILED", (await client.DecryptBatchAsync(request)).Results[1].Error);

        request.Items.RemoveAt(0);
        request.Items[0].Context = Calls.Context(("tenant", "b"));
        await Calls.RefusedAsync(Reason.AccessDenied, client.DecryptBatchAsync(request));
        await Calls.RefusedAsync(
            Reason.AccessDenied, client.ReencryptBatchAsync(new ReencryptBatchRequest { Items = { request.Items } }));
        await Calls.RefusedAsync(
            Reason.AccessDenied, client.DecryptAsync(new DecryptRequest { Ciphertext = tokens["b"],
                Context = Calls.Context(("tenant", "b")) }));
    }

    [Fact]
    public async Task Keys_that_no_grant_covers_are_left_out_of_lists()
    {
        var mine = (await Calls.NewKeyAsync(service, "covered")).Name;
        await Calls.NewKeyAsync(service, "uncovered");
        using var channel = await RegisterAsync(mine);
        var keys = new Keys.KeysClient(channel);
        var listed = new List<string>();
        var request = new ListKeysRequest { PageSize = 3 };
        do
        {
            var page = await keys.ListKeysAsync(request);
            listed.AddRange(page.Keys.Select(key => key.Name));
            request.PageToken = page.NextPageToken;
        }
        while (request.PageToken.Length > 0);
        Assert.Equal([mine], listed);
    }

    private async Task<GrpcChannel> RegisterAsync(string key, params (string Key, string Value)[] constraint)
    {
        var name = $"tenant-{Guid.NewGuid():N}";
        await service.IssueClientAsync(name);
        using var administrator = service.ConnectAs("administrator");
        var access = new Access.AccessClient(administrator);
        await access.CreatePrincipalAsync(new CreatePrincipalRequest
        {
            RequestId = Calls.NewRequestId(), Name = name, Type = PrincipalType.Service,
            Credential = new Credential { CertificateSanUri = $"keyservice:principal/{name}" },
        });
        var grant = new CreateGrantRequest { RequestId = Calls.NewRequestId(), Principal = name, KeyPattern = key };
        if (constraint.Length == 0)
        {
            grant.Permissions.Add("read-key");
        }
        else
        {
            grant.Permissions.Add(["encrypt", "decrypt", "reencrypt"]);
            grant.ContextConstraint = Calls.Context(constraint);
        }

        await access.CreateGrantAsync(grant);
        return service.ConnectAs(name);
    }
}
