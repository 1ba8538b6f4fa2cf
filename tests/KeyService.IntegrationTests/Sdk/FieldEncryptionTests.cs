using System.Text;
using KeyService.Client;
using KeyService.Crypto;
using KeyService.IntegrationTests.Service;
using Microsoft.Data.Sqlite;

namespace KeyService.IntegrationTests.Sdk;

/// <summary>Fields encrypted in process, against the real service: what opens, what does not, and what is said about it.</summary>
[Collection(RunningService.Name)]
public sealed class FieldEncryptionTests(ServiceFixture service) : IAsyncLifetime
{
    private static readonly EncryptedColumn Ssn = new("ehr", "patient", "ssn");
    private static readonly EncryptedColumn Name = new("ehr", "patient", "name");
    private KeyServiceClient client = null!;
    private SqliteConnection keeper = null!;
    private WrappedKeyTable table = null!;
    private string key = "";

    public async ValueTask InitializeAsync()
    {
        client = service.Connect(service.Database);
        (keeper, table) = await SdkService.NewTableAsync();
        key = (await Calls.NewKeyAsync(service)).Name;
    }

    public async ValueTask DisposeAsync()
    {
        client.Dispose();
        await keeper.DisposeAsync();
    }

    private FieldEncryption New(LeasePolicy? lease = null) =>
        client.CreateFieldEncryption(new FieldEncryptionOptions { Key = key, Table = table, Lease = lease ?? new() });

    [Fact]
    public async Task A_field_opens_for_its_row_and_column_and_for_no_other()
    {
        await using var fields = New();
        var token = await fields.EncryptAsync(Ssn.Row(4711), "078-05-1120"u8.ToArray().AsMemory());

        Assert.Equal(FieldToken.Format2, token[0]);
        Assert.Equal("078-05-1120", Encoding.UTF8.GetString(await fields.DecryptAsync(Ssn.Row(4711), token.AsMemory())));
        foreach (var other in new[] { Ssn.Row(4712), Name.Row(4711), Ssn.Row(4711, 1) })
        {
            await SdkService.RefusedAsync("DECRYPTION_FAILED", () => fields.DecryptAsync(other, token.AsMemory()).AsTask());
        }
        token[^1] ^= 1;
        await SdkService.RefusedAsync("DECRYPTION_FAILED", () => fields.DecryptAsync(Ssn.Row(4711), token.AsMemory()).AsTask());
        await SdkService.RefusedAsync("DECRYPTION_FAILED", () => fields.DecryptAsync(Ssn.Row(4711), "no token"u8.ToArray().AsMemory()).AsTask());
    }

    [Fact]
    public async Task Many_fields_come_back_in_their_order_and_nulls_stay_null()
    {
        await using var fields = New(new LeasePolicy { MaxMessages = 3 });
        byte[]?[] plaintexts = ["one"u8.ToArray(), null, [], "four"u8.ToArray(), "five"u8.ToArray(), null, "seven"u8.ToArray()];
        var tokens = await fields.EncryptManyAsync([.. plaintexts.Select((plaintext, row) => new RowField(Ssn.Row(row + 1), plaintext))]);

        Assert.Equal(plaintexts.Select(plaintext => plaintext is null), tokens.Select(token => token is null));
        // A new data key when the old one's three messages were used up.
        Assert.Equal(2, tokens.OfType<byte[]>().Select(token => Convert.ToHexString(token, 1, 16)).Distinct().Count());
        var opened = await fields.DecryptManyAsync([.. tokens.Select((token, row) => new RowField(Ssn.Row(row + 1), token))]);
        Assert.All(opened, each => Assert.Null(each.Error));
        Assert.Equal(plaintexts, opened.Select(each => each.Data));

        // Bound to their rows: in another order none opens.
        var swapped = await fields.DecryptManyAsync([new RowField(Ssn.Row(1), tokens[3]), new RowField(Ssn.Row(4), tokens[0])]);
        Assert.All(swapped, each => Assert.Equal((null, "DECRYPTION_FAILED"), (each.Data, each.Error)));
    }

    [Fact]
    public async Task Of_many_fields_none_is_returned_when_one_cannot_be_encrypted()
    {
        await using var fields = New();
        await Assert.ThrowsAnyAsync<ArgumentException>(() => fields.EncryptManyAsync([new RowField(Ssn.Row(1), "one"u8.ToArray()), new RowField(Ssn.Row(2), new byte[(1 << 20) + 1])]));
    }

    [Fact]
    public async Task Another_process_opens_it_with_the_table_and_nothing_else()
    {
        byte[] token;
        await using (var writer = New())
        {
            token = await writer.EncryptAsync(Ssn.Row(1), new byte[] { 1, 2, 3 }.AsMemory());
        }
        using var other = service.Connect(service.Backup);
        await using var reader = other.CreateFieldEncryption(new FieldEncryptionOptions { Key = key, Table = table });

        Assert.Equal([1, 2, 3], await reader.DecryptAsync(Ssn.Row(1), token.AsMemory()));
    }

    [Fact]
    public async Task Null_stays_null_and_text_columns_hold_text()
    {
        await using var fields = New();
        Assert.Null(await fields.EncryptAsync(Name.Row(1), (string?)null));
        Assert.Null(await fields.EncryptAsync(Name.Row(1), (byte[]?)null));
        Assert.Null(await fields.EncryptToTextAsync(Name.Row(1), null));
        Assert.Null(await fields.DecryptAsync(Name.Row(1), (byte[]?)null));
        Assert.Null(await fields.DecryptToTextAsync(Name.Row(1), (byte[]?)null));
        Assert.Null(await fields.DecryptToTextAsync(Name.Row(1), (string?)null));

        var text = await fields.EncryptToTextAsync(Name.Row(1), "Ana Peña");
        Assert.StartsWith("ks1.", text, StringComparison.Ordinal);
        Assert.Equal("Ana Peña", await fields.DecryptToTextAsync(Name.Row(1), text));
        Assert.Equal("Ana Peña", await fields.DecryptToTextAsync(Name.Row(1), await fields.EncryptAsync(Name.Row(1), "Ana Peña")));
        Assert.Equal("", await fields.DecryptToTextAsync(Name.Row(1), await fields.EncryptAsync(Name.Row(1), "")));
    }

    [Fact]
    public async Task A_token_of_the_service_opens_too()
    {
        await using var fields = New();
        var made = await client.Cipher.EncryptAsync(key, Ssn.Row(9).ToEncryptionContext(), "by the service"u8.ToArray());

        Assert.Equal("by the service"u8.ToArray(), await fields.DecryptAsync(Ssn.Row(9), made.Token));
        await SdkService.RefusedAsync("DECRYPTION_FAILED", () => fields.DecryptAsync(Ssn.Row(8), made.Token).AsTask());
    }
}
