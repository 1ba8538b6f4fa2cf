using KeyService.Client;
using KeyService.Crypto;
using KeyService.IntegrationTests.Service;
using KeyService.Protocol.V1;
using Microsoft.Data.Sqlite;

namespace KeyService.IntegrationTests.Sdk;

/// <summary>Blind indexes against the real service: equal values are equal, for everybody and after every rotation, and their key serves nothing else.</summary>
[Collection(RunningService.Name)]
public sealed class BlindIndexTests(ServiceFixture service) : IAsyncLifetime
{
    private static readonly EncryptedColumn Mrn = new("ehr", "patient", "mrn");
    private KeyServiceClient client = null!;
    private SqliteConnection keeper = null!;
    private WrappedKeyTable table = null!;
    private string key = "";

    public async ValueTask InitializeAsync()
    {
        client = service.Connect(service.Database);
        (keeper, table) = await SdkService.NewTableAsync();
        using var administrator = service.Connect(service.Administrator);
        key = (await administrator.Keys.CreateAsync($"index/{Guid.NewGuid():N}", purpose: KeyPurpose.BlindIndex)).Name;
    }

    public async ValueTask DisposeAsync()
    {
        client.Dispose();
        await keeper.DisposeAsync();
    }

    private BlindIndex New(KeyServiceClient? by = null, string name = "default") =>
        (by ?? client).CreateBlindIndex(new BlindIndexOptions { Key = key, Table = table, Name = name });

    [Fact]
    public async Task Equal_values_are_equal_for_everybody_and_after_a_rotation()
    {
        using var other = service.Connect(service.Backup);
        await using var one = New();
        await using var two = New(other);
        await Task.WhenAll(one.CreateKeyAsync(), two.CreateKeyAsync(), one.CreateKeyAsync(), two.CreateKeyAsync());
        Assert.Equal(1, await table.CountAsync());

        var index = await one.Column(Mrn, normalise: BlindIndexNormalisation.LettersAndDigits).ComputeAsync("MRN-00042");
        Assert.Equal(16, index!.Length);
        Assert.Equal(index, await two.Column(Mrn, normalise: BlindIndexNormalisation.LettersAndDigits).ComputeAsync("mrn 00042"));
        Assert.Equal(index, await two.Column(Mrn).ComputeAsync("MRN00042"u8.ToArray()));
        Assert.Equal(Convert.ToHexStringLower(index), await two.Column(Mrn).ComputeHexAsync("MRN00042"));

        await Calls.RotateAsync(service, key);
        var done = await table.RewrapAsync(client);
        Assert.Equal((1, 1, 0), (done.Seen, done.Rewrapped, done.Failures.Count));
        await using var later = New();
        Assert.Equal(index, await later.Column(Mrn).ComputeAsync("MRN00042"));
    }

    [Fact]
    public async Task Values_columns_lengths_and_index_names_are_kept_apart()
    {
        await using var index = New();
        await using var named = New(name: "second");
        await index.CreateKeyAsync();
        await named.CreateKeyAsync();
        var values = new[]
        {
            await index.Column(Mrn).ComputeAsync("42"), await index.Column(Mrn).ComputeAsync("43"),
            await index.Column(new EncryptedColumn("ehr", "patient", "phone")).ComputeAsync("42"),
            await index.Column(Mrn, length: 32).ComputeAsync("42"), await named.Column(Mrn).ComputeAsync("42"),
        };
        Assert.Equal(values.Length, values.Select(each => Convert.ToHexString(each!, 0, 16)).Distinct().Count());
        Assert.Null(await index.Column(Mrn).ComputeAsync((string?)null));
        Assert.Null(await index.Column(Mrn, normalise: BlindIndexNormalisation.Digits).ComputeAsync("n/a"));
    }

    [Fact]
    public async Task A_lost_row_is_said_and_no_new_key_takes_its_place()
    {
        await using var index = New();
        var refused = await SdkService.RefusedAsync(ClientReason.WrappedKeyMissing, () => index.Column(Mrn).ComputeAsync("42").AsTask());
        Assert.Contains("CreateKeyAsync", refused.Advice, StringComparison.Ordinal);
        Assert.Equal(0, await table.CountAsync());
    }

    [Fact]
    public async Task A_revoked_grant_ends_it()
    {
        await using (var maker = New())
        {
            await maker.CreateKeyAsync();
        }
        var (who, grant) = await service.NewPrincipalAsync();
        using var theirs = service.Connect(who);
        await using var index = New(theirs);
        await index.Column(Mrn).ComputeAsync("42");
        var held = Assert.Single(index.Keeper.Keys);

        using var administrator = service.Connect(service.Administrator);
        await administrator.Access.RevokeGrantAsync(grant);

        await SdkService.UntilAsync(() => held.IsZeroed, "the index key is zeroed");
        await SdkService.RefusedAsync("ACCESS_DENIED", () => index.Column(Mrn).ComputeAsync("42").AsTask());
    }

    [Fact]
    public async Task Its_key_wraps_nothing_else_and_no_other_key_wraps_its()
    {
        var usual = (await Calls.NewKeyAsync(service)).Name;
        var id = new byte[16];
        foreach (var scope in new[] { DataKeyScope.General(EncryptionContext.Empty), DataKeyScope.Field(id, EncryptionContext.Empty), DataKeyScope.Archive(id, EncryptionContext.Empty) })
        {
            await SdkService.RefusedAsync("INVALID_ARGUMENT", () => client.DataKeys.GenerateAsync(key, scope));
        }
        await SdkService.RefusedAsync("INVALID_ARGUMENT", () => client.DataKeys.GenerateAsync(usual, DataKeyScope.BlindIndex(id, EncryptionContext.Empty)));
        await SdkService.RefusedAsync("INVALID_ARGUMENT", () => client.Cipher.EncryptAsync(key, EncryptionContext.Empty, new byte[1]));
        await SdkService.RefusedAsync("INVALID_ARGUMENT", () => client.Cipher.EncryptArchiveAsync(
            key, EncryptionContext.Empty, "x", new MemoryStream(new byte[1]), new MemoryStream()));

        // What it wraps opens for no other use.
        using var made = await client.DataKeys.GenerateAsync(key, DataKeyScope.BlindIndex(id, EncryptionContext.Empty));
        await SdkService.RefusedAsync("DECRYPTION_FAILED", () => client.DataKeys.UnwrapAsync(made.Wrapped, DataKeyScope.Field(id, EncryptionContext.Empty)));
        await SdkService.RefusedAsync("DECRYPTION_FAILED", () => client.DataKeys.RewrapAsync(made.Wrapped, DataKeyScope.General(EncryptionContext.Empty)));
        using var opened = await client.DataKeys.UnwrapAsync(made.Wrapped, DataKeyScope.BlindIndex(id, EncryptionContext.Empty));
        Assert.True(opened.Secret.DangerousSpan.SequenceEqual(made.Secret.DangerousSpan));
    }
}
