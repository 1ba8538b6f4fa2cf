using KeyService.Client;
using KeyService.Crypto;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.Cli;

/// <summary>The client's typed calls against the real service, over mutual TLS and over the Unix socket.</summary>
public sealed class ClientTests(ServiceFixture service) : IClassFixture<ServiceFixture>
{
    private static readonly EncryptionContext Context = EncryptionContext.Create("table", "labs");

    [Fact]
    public async Task Data_keys_come_in_locked_memory_and_open_again_for_the_same_scope_only()
    {
        using var client = await ConnectAsync("client/data-keys");
        var scope = DataKeyScope.Field(new byte[16], Context);
        using var made = await client.DataKeys.GenerateAsync("client/data-keys", scope);
        using var again = await client.DataKeys.UnwrapAsync(made.Wrapped, scope);
        Assert.Equal(32, made.Secret.Length);
        Assert.True(made.Secret.DangerousSpan.SequenceEqual(again.Secret.DangerousSpan));
        Assert.Equal("client/data-keys", again.Key);

        foreach (var other in new[] { DataKeyScope.General(Context), DataKeyScope.Archive(new byte[16], Context), DataKeyScope.Field(new byte[16], EncryptionContext.Empty) })
        {
            Assert.Equal("DECRYPTION_FAILED", (await Assert.ThrowsAsync<KeyServiceException>(() => client.DataKeys.UnwrapAsync(made.Wrapped, other))).Reason);
        }
    }

    [Fact]
    public async Task A_data_key_without_plaintext_has_none()
    {
        using var client = await ConnectAsync("client/without");
        using var key = await client.DataKeys.GenerateAsync("client/without", DataKeyScope.General(Context), withoutPlaintext: true);
        Assert.False(key.HasSecret);
        Assert.Throws<InvalidOperationException>(() => key.Secret);
        Assert.DoesNotContain(Convert.ToBase64String(key.Wrapped.Span), key.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Many_data_keys_are_made_and_wrapped_again_in_one_call()
    {
        using var client = await ConnectAsync("client/many");
        var keys = await client.DataKeys.GenerateManyAsync("client/many", Context, 100);
        Assert.Equal(100, keys.Select(key => Convert.ToHexString(key.Secret.DangerousSpan)).Distinct().Count());
        using (var administrator = Connect(service.Administrator))
        {
            await administrator.Keys.RotateAsync("client/many");
        }
        var scope = DataKeyScope.General(Context);
        var rewrapped = await client.DataKeys.RewrapManyAsync(
            keys.Select(key => (key.Wrapped, scope)).Append((new byte[69], scope)));
        Assert.Equal("DECRYPTION_FAILED", rewrapped[100].Error);
        Assert.All(rewrapped.Take(100), one => Assert.True(one.Rewrapped!.Changed));
        using var again = await client.DataKeys.UnwrapAsync(rewrapped[42].Rewrapped!.Wrapped, scope);
        Assert.True(keys[42].Secret.DangerousSpan.SequenceEqual(again.Secret.DangerousSpan));
        Assert.False((await client.DataKeys.RewrapAsync(rewrapped[42].Rewrapped!.Wrapped, scope)).Changed);
        foreach (var key in keys)
        {
            key.Dispose();
        }
    }

    [Fact]
    public async Task Fields_go_and_come_back_one_by_one_and_in_batches()
    {
        using var client = await ConnectAsync("client/fields");
        var one = await client.Cipher.EncryptAsync("client/fields", Context, "penicillin"u8.ToArray());
        Assert.Equal("penicillin"u8.ToArray(), (await client.Cipher.DecryptAsync(Context, one.Token)).Plaintext.ToArray());

        FieldItem Row(int row, ReadOnlyMemory<byte> data) => new(data, EncryptionContext.Create("row", $"{row}"));
        var plaintexts = Enumerable.Range(0, 500).Select(i => new byte[i]).ToList();
        var tokens = await client.Cipher.EncryptBatchAsync("client/fields", Context, plaintexts.Select((bytes, i) => Row(i, bytes)));
        Assert.All(tokens, token => Assert.Null(token.Error));
        var opened = await client.Cipher.DecryptBatchAsync(Context, tokens.Select((token, i) => Row(i == 7 ? 8 : i, token.Data)));
        Assert.Equal("DECRYPTION_FAILED", opened[7].Error);
        Assert.All(opened.Where((_, i) => i != 7), one => Assert.Null(one.Error));
        Assert.Equal(plaintexts[499], opened[499].Data.ToArray());
        var moved = await client.Cipher.ReencryptBatchAsync(Context, [Row(3, tokens[3].Data)]);
        Assert.Null(moved[0].Error);
        Assert.NotEqual(tokens[3].Data.ToArray(), moved[0].Data.ToArray());
    }

    [Fact]
    public async Task A_batch_that_is_too_large_is_refused_whole()
    {
        using var client = await ConnectAsync("client/large");
        var items = Enumerable.Repeat(new FieldItem(new byte[1]), 10_001);
        var e = await Assert.ThrowsAsync<KeyServiceException>(() => client.Cipher.EncryptBatchAsync("client/large", Context, items));
        Assert.Equal("BATCH_TOO_LARGE", e.Reason);
        Assert.NotEqual("", e.Advice);
    }

    [Fact]
    public async Task An_archive_goes_through_the_service_and_back_and_a_broken_source_ends_it()
    {
        using var client = await ConnectAsync("client/archive");
        var content = new byte[2_500_000];
        Random.Shared.NextBytes(content);
        using var archive = new MemoryStream();
        var made = await client.Cipher.EncryptArchiveAsync("client/archive", Context, "content", new MemoryStream(content), archive);
        Assert.Equal((content.Length, archive.Length), (made.PlaintextBytes, made.ArchiveBytes));
        archive.Position = 0;
        using var opened = new MemoryStream();
        await client.Cipher.DecryptArchiveAsync(Context, archive, opened);
        Assert.Equal(content, opened.ToArray());

        var fault = await Assert.ThrowsAsync<IOException>(() => client.Cipher.EncryptArchiveAsync(
            "client/archive", Context, "content", new BrokenStream(1_500_000), new MemoryStream()));
        Assert.Equal("broken", fault.Message);
    }

    [Fact]
    public async Task The_Unix_socket_knows_the_caller_by_user_id()
    {
        var uid = (await Command.RunAsync("/usr/bin/id", ["-u"])).Text.Trim();
        using (var administrator = Connect(service.Administrator))
        {
            await administrator.Access.CreatePrincipalAsync("local", PrincipalType.Service, new Credential { UnixUid = uint.Parse(uid, System.Globalization.CultureInfo.InvariantCulture) });
        }
        using var client = KeyServiceClient.Connect(new ClientOptions { Endpoint = $"unix:{service.SocketPath}" });
        Assert.Equal("local", (await client.Access.WhoAmIAsync()).Principal.Name);
    }

    [Fact]
    public async Task A_mutation_sent_again_with_its_request_id_happens_once()
    {
        using var administrator = Connect(service.Administrator);
        await administrator.Keys.CreateAsync("client/once");
        var id = Guid.NewGuid().ToString();
        var first = await administrator.Keys.RotateAsync("client/once", id);
        var second = await administrator.Keys.RotateAsync("client/once", id);
        Assert.Equal(first, second);
        Assert.Equal(2, await administrator.Keys.ListVersionsAsync("client/once").CountAsync(version => version.State != KeyState.PreActivation));
    }

    [Fact]
    public async Task Lists_are_read_to_their_end_page_by_page()
    {
        using var administrator = Connect(service.Administrator);
        for (var i = 0; i < 12; i++)
        {
            await administrator.Keys.CreateAsync($"client/list/{i:00}");
        }
        Assert.Equal(
            Enumerable.Range(0, 12).Select(i => $"client/list/{i:00}"),
            await administrator.Keys.ListAsync("client/list/").Select(key => key.Name).ToListAsync());
        Assert.Contains("backup", await administrator.Access.ListPrincipalsAsync().Select(principal => principal.Name).ToListAsync());
        Assert.All(await administrator.Access.ListGrantsAsync("backup").ToListAsync(), grant => Assert.Equal("backup", grant.Principal));
        Assert.NotEmpty(await administrator.Audit.TailAsync(-5, follow: false).ToListAsync());
    }

    private async Task<KeyServiceClient> ConnectAsync(string key)
    {
        using var administrator = Connect(service.Administrator);
        await administrator.Keys.CreateAsync(key);
        return Connect(service.Database);
    }

    private static KeyServiceClient Connect(ClientIdentity identity) => KeyServiceClient.Connect(ClientProfile.Load(identity.ProfilePath).ToOptions());

    private sealed class BrokenStream(int good) : MemoryStream(new byte[good])
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var length = await base.ReadAsync(buffer, cancellationToken);
            return length > 0 ? length : throw new IOException("broken");
        }
    }
}
