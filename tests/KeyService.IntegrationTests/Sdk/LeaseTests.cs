using System.Collections.Concurrent;
using System.Security.Cryptography;
using KeyService.Client;
using KeyService.Crypto;
using KeyService.IntegrationTests.Service;
using Microsoft.Data.Sqlite;

namespace KeyService.IntegrationTests.Sdk;

/// <summary>What the service says about held data keys takes effect in the client: revoked, disabled, rotated; and what is counted comes back.</summary>
[Collection(RunningService.Name)]
public sealed class LeaseTests(ServiceFixture service) : IAsyncLifetime
{
    private static readonly EncryptedColumn Ssn = new("ehr", "patient", "ssn");
    private static readonly byte[] Plaintext = "078-05-1120"u8.ToArray();
    private SqliteConnection keeper = null!;
    private WrappedKeyTable table = null!;
    private string key = "";

    public async ValueTask InitializeAsync()
    {
        (keeper, table) = await SdkService.NewTableAsync();
        key = (await Calls.NewKeyAsync(service)).Name;
    }

    public ValueTask DisposeAsync() => keeper.DisposeAsync();

    private FieldEncryption Fields(KeyServiceClient client, LeasePolicy? lease = null) =>
        client.CreateFieldEncryption(new FieldEncryptionOptions { Key = key, Table = table, Lease = lease ?? new() });

    [Fact]
    public async Task A_revoked_grant_ends_encryption_and_decryption_and_zeroes_the_key()
    {
        var (who, grant) = await service.NewPrincipalAsync();
        using var client = service.Connect(who);
        await using var fields = Fields(client);
        var token = await fields.EncryptAsync(Ssn.Row(1), Plaintext.AsMemory());
        await fields.DecryptAsync(Ssn.Row(1), token.AsMemory());
        var held = Assert.Single(fields.Keys.Keeper.Keys);
        Assert.False(held.IsZeroed);

        using var administrator = service.Connect(service.Administrator);
        await administrator.Access.RevokeGrantAsync(grant);

        await SdkService.UntilAsync(() => held.IsZeroed, "the key of a revoked grant is zeroed");
        await SdkService.RefusedAsync("ACCESS_DENIED", () => fields.EncryptAsync(Ssn.Row(1), Plaintext.AsMemory()).AsTask());
        await SdkService.RefusedAsync("ACCESS_DENIED", () => fields.DecryptAsync(Ssn.Row(1), token.AsMemory()).AsTask());

        // Granted again, it goes on by itself.
        await service.GrantAsync(who);
        await SdkService.UntilAsync(async () =>
        {
            try
            {
                return (await fields.DecryptAsync(Ssn.Row(1), token.AsMemory())).SequenceEqual(Plaintext)
                    && (await fields.EncryptAsync(Ssn.Row(1), Plaintext.AsMemory())).Length > 0;
            }
            catch (KeyServiceException e) when (e.Reason == "ACCESS_DENIED")
            {
                return false;
            }
        }, "a new grant is heard");
    }

    [Fact]
    public async Task A_disabled_principal_loses_its_keys()
    {
        var (who, _) = await service.NewPrincipalAsync();
        using var client = service.Connect(who);
        await using var fields = Fields(client);
        await fields.EncryptAsync(Ssn.Row(1), Plaintext.AsMemory());
        var held = Assert.Single(fields.Keys.Keeper.Keys);

        using var administrator = service.Connect(service.Administrator);
        await administrator.Access.DisablePrincipalAsync(who.Name);

        await SdkService.UntilAsync(() => held.IsZeroed, "the key of a disabled principal is zeroed");
        await SdkService.RefusedAsync("UNKNOWN_PRINCIPAL", () => fields.EncryptAsync(Ssn.Row(1), Plaintext.AsMemory()).AsTask());
    }

    [Fact]
    public async Task After_a_rotation_a_new_data_key_encrypts_and_the_old_one_goes_on_decrypting()
    {
        using var client = service.Connect(service.Database);
        await using var fields = Fields(client);
        var old = await fields.EncryptAsync(Ssn.Row(1), Plaintext.AsMemory());
        var newest = (await Calls.RotateAsync(service, key)).Primary.Id;

        byte[] token = [];
        await SdkService.UntilAsync(async () =>
        {
            token = await fields.EncryptAsync(Ssn.Row(1), Plaintext.AsMemory());
            return !token.AsSpan(1, 16).SequenceEqual(old.AsSpan(1, 16));
        }, "a new data key encrypts after the rotation");
        Assert.Equal(newest, (await table.FindAsync(token.AsMemory(1, 16)))!.KeyVersion);
        Assert.Equal(Plaintext, await fields.DecryptAsync(Ssn.Row(1), old.AsMemory()));
        Assert.Equal(Plaintext, await fields.DecryptAsync(Ssn.Row(1), token.AsMemory()));
    }

    [Fact]
    public async Task Many_threads_over_many_data_keys_lose_no_field_and_leave_no_key()
    {
        const int Threads = 8, Each = 400;
        using var client = service.Connect(service.Database);
        var tokens = new ConcurrentBag<(long Row, byte[] Token)>();
        HeldKey[] held;
        await using (var fields = Fields(client, new LeasePolicy { MaxMessages = 100 }))
        {
            await Task.WhenAll(Enumerable.Range(0, Threads).Select(thread => Task.Run(async () =>
            {
                for (var i = 1; i <= Each; i++)
                {
                    var row = (thread * 1000L) + i;
                    tokens.Add((row, await fields.EncryptAsync(Ssn.Row(row), BitConverter.GetBytes(row).AsMemory())));
                }
            })));
            var perKey = tokens.GroupBy(each => Convert.ToHexString(each.Token, 1, 16)).ToList();
            Assert.Equal(Threads * Each, tokens.Count);
            Assert.All(perKey, one => Assert.InRange(one.Count(), 1, 100));
            Assert.True(perKey.Count >= Threads * Each / 100);

            // Every data key stood in the table before its first token was returned; another process reads them all.
            await using var reader = Fields(client);
            var opened = await reader.DecryptManyAsync([.. tokens.Select(each => new RowField(Ssn.Row(each.Row), each.Token))]);
            Assert.All(tokens.Zip(opened), pair => Assert.Equal(BitConverter.GetBytes(pair.First.Row), pair.Second.Data));
            held = [.. fields.Keys.Keeper.Keys, .. reader.Keys.Keeper.Keys];
            await reader.DisposeAsync();
        }
        Assert.NotEmpty(held);
        Assert.All(held, one => Assert.True(one.IsZeroed));
    }

    [Fact]
    public async Task Bytes_bound_a_data_key_too()
    {
        using var client = service.Connect(service.Database);
        await using var fields = Fields(client, new LeasePolicy { MaxBytes = 1000 });
        var first = await fields.EncryptAsync(Ssn.Row(1), new byte[900].AsMemory());
        var second = await fields.EncryptAsync(Ssn.Row(1), new byte[200].AsMemory());
        Assert.False(first.AsSpan(1, 16).SequenceEqual(second.AsSpan(1, 16)));
        Assert.Equal(new byte[900], await fields.DecryptAsync(Ssn.Row(1), first.AsMemory()));
    }

    [Fact]
    public async Task Two_processes_at_once_share_the_table()
    {
        using var one = service.Connect(service.Database);
        using var two = service.Connect(service.Backup);
        await using var first = Fields(one);
        await using var second = Fields(two);
        var tokens = await Task.WhenAll(
            Enumerable.Range(1, 40).Select(row => (row % 2 == 0 ? first : second).EncryptAsync(Ssn.Row(row), Plaintext.AsMemory()).AsTask()));
        for (var row = 1; row <= tokens.Length; row++)
        {
            Assert.Equal(Plaintext, await (row % 2 == 0 ? second : first).DecryptAsync(Ssn.Row(row), tokens[row - 1].AsMemory()));
        }
        Assert.Equal(2, await table.CountAsync());
    }

    [Fact]
    public async Task Who_may_only_generate_writes_and_does_not_read()
    {
        var (who, _) = await service.NewPrincipalAsync("generate-data-key");
        using var client = service.Connect(who);
        await using var fields = Fields(client);
        var token = await fields.EncryptAsync(Ssn.Row(1), Plaintext.AsMemory());
        await SdkService.RefusedAsync("ACCESS_DENIED", () => fields.DecryptAsync(Ssn.Row(1), token.AsMemory()).AsTask());
        await fields.EncryptAsync(Ssn.Row(2), Plaintext.AsMemory());
        Assert.Equal(1, await table.CountAsync());
    }

    [Fact]
    public async Task What_was_done_stands_in_the_audit_log_afterwards()
    {
        using var client = service.Connect(service.Database);
        await using (var fields = Fields(client))
        {
            for (var row = 1; row <= 3; row++)
            {
                var token = await fields.EncryptAsync(Ssn.Row(row), Plaintext.AsMemory());
                Assert.Equal(Plaintext, await fields.DecryptAsync(Ssn.Row(row), token.AsMemory()));
            }
        }
        var record = Assert.Single(await service.RecordsAsync("data-key-use-reported", key));
        Assert.Equal(("database", 6L), (record.Principal, record.ItemCount));
        Assert.NotEmpty(record.RequestId);
        Assert.NotEmpty(await service.RecordsAsync("data-key-generated", key));
        Assert.Empty(await service.RecordsAsync("data-key-grace-use-reported", key));
    }

    [Fact]
    public async Task The_last_report_comes_after_the_revocation_too()
    {
        var (who, grant) = await service.NewPrincipalAsync();
        using var client = service.Connect(who);
        await using (var fields = Fields(client))
        {
            await fields.EncryptAsync(Ssn.Row(1), Plaintext.AsMemory());
            using var administrator = service.Connect(service.Administrator);
            await administrator.Access.RevokeGrantAsync(grant);
            await SdkService.UntilAsync(() => fields.Keys.Keeper.Keys.All(each => each.IsZeroed), "the key is zeroed");
        }
        Assert.Equal(1, Assert.Single(await service.RecordsAsync("data-key-use-reported", key)).ItemCount);
    }

    [Fact]
    public async Task A_cache_for_decryption_holds_no_more_keys_than_it_may()
    {
        using var client = service.Connect(service.Database);
        var tokens = new List<byte[]>();
        for (var i = 0; i < 6; i++)
        {
            await using var writer = Fields(client);
            tokens.Add(await writer.EncryptAsync(Ssn.Row(1), new[] { (byte)i }.AsMemory()));
        }
        await using var reader = client.CreateFieldEncryption(new FieldEncryptionOptions { Key = key, Table = table, CachedKeys = 3 });
        for (var round = 0; round < 2; round++)
        {
            for (var i = 0; i < tokens.Count; i++)
            {
                Assert.Equal([(byte)i], await reader.DecryptAsync(Ssn.Row(1), tokens[i].AsMemory()));
                Assert.InRange(reader.Keys.Keeper.Count, 1, 4);
            }
        }
    }

    [Fact]
    public async Task A_row_that_is_missing_edited_or_swapped_is_found_out()
    {
        using var client = service.Connect(service.Database);
        var tokens = new List<byte[]>();
        for (var i = 0; i < 3; i++)
        {
            await using var writer = Fields(client);
            tokens.Add((await writer.EncryptAsync(Ssn.Row(1), Plaintext))!);
        }
        var (copyKeeper, untouched) = await CopyAsync();
        // Held to the end: with its last connection the collector would take the database along.
        await using var held = copyKeeper;
        await ExecuteAsync("DELETE FROM keyservice_wrapped_keys WHERE id = @a", tokens[0]);
        foreach (var (row, other) in new[] { (tokens[1], tokens[2]), (tokens[2], tokens[1]) })
        {
            var wrapped = (await untouched.FindAsync(other.AsMemory(1, 16)))!.Wrapped.ToArray();
            await ExecuteAsync("UPDATE keyservice_wrapped_keys SET wrapped = @a WHERE id = @b", wrapped, row);
        }

        await using var reader = Fields(client);
        var missing = await SdkService.RefusedAsync(ClientReason.WrappedKeyMissing, () => reader.DecryptAsync(Ssn.Row(1), tokens[0]).AsTask());
        Assert.Contains(Convert.ToHexStringLower(tokens[0].AsSpan(1, 16)), missing.Message, StringComparison.Ordinal);
        await SdkService.RefusedAsync("DECRYPTION_FAILED", () => reader.DecryptAsync(Ssn.Row(1), tokens[1]).AsTask());
        await SdkService.RefusedAsync("DECRYPTION_FAILED", () => reader.DecryptAsync(Ssn.Row(1), tokens[2]).AsTask());
        var many = await reader.DecryptManyAsync([.. tokens.Select(token => new RowField(Ssn.Row(1), token)), new RowField(Ssn.Row(1), null)]);
        Assert.Equal([ClientReason.WrappedKeyMissing, "DECRYPTION_FAILED", "DECRYPTION_FAILED", null], many.Select(each => each.Error));

        // A row whose bytes were changed. Not to another format or version: of a version that nobody knows the service says that access is denied.
        var changed = (await untouched.FindAsync(tokens[1].AsMemory(1, 16)))!.Wrapped.ToArray();
        RandomNumberGenerator.Fill(changed.AsSpan(9));
        await ExecuteAsync("UPDATE keyservice_wrapped_keys SET wrapped = @a WHERE id = @b", changed, tokens[1]);
        await SdkService.RefusedAsync("DECRYPTION_FAILED", () => reader.DecryptAsync(Ssn.Row(1), tokens[1]).AsTask());
    }

    // The table as it stands, in a database of its own.
    private async Task<(SqliteConnection Keeper, WrappedKeyTable Table)> CopyAsync()
    {
        var (copyKeeper, copy) = await SdkService.NewTableAsync();
        await foreach (var row in table.ListAsync())
        {
            await copy.InsertAsync(row, DateTimeOffset.UnixEpoch, CancellationToken.None);
        }
        return (copyKeeper, copy);
    }

    private async Task ExecuteAsync(string text, params byte[][] tokens)
    {
        await using var command = keeper.CreateCommand();
        command.CommandText = text;
        foreach (var (name, token) in new[] { "@a", "@b" }.Zip(tokens))
        {
            // The data-key id in a token; other bytes as they are.
            command.Parameters.AddWithValue(name, FieldToken.TryParse(token, out var parsed) ? parsed.DataKeyId.ToArray() : token);
        }
        Assert.True(await command.ExecuteNonQueryAsync() > 0);
    }
}
