using System.Security.Cryptography;
using Google.Protobuf;
using Grpc.Net.Client;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.Service;

[Collection(RunningService.Name)]
public sealed class DataKeysTests(ServiceFixture service) : IDisposable
{
    private readonly GrpcChannel database = service.ConnectAs("database");

    private DataKeys.DataKeysClient Client => new(database);

    [Fact]
    public async Task A_data_key_unwraps_with_its_binding_and_with_no_other()
    {
        var key = await Calls.NewKeyAsync(service);
        var binding = Binding(DataKeyUse.Field, ("tenant", "a"));
        var made = await Client.GenerateDataKeyAsync(new GenerateDataKeyRequest { Key = key.Name, Binding = binding });

        Assert.Equal((32, 69, key.Primary.Id), (made.Plaintext.Length, made.Wrapped.Length, made.KeyVersion));
        var opened = await Client.UnwrapDataKeyAsync(new UnwrapDataKeyRequest { Wrapped = made.Wrapped, Binding = binding });
        Assert.Equal((made.Plaintext, key.Name, key.Primary.Id), (opened.Plaintext, opened.Key, opened.KeyVersion));

        var wrongContext = Binding(DataKeyUse.Field, ("tenant", "b"));
        wrongContext.SubjectId = binding.SubjectId;
        var wrongUse = binding.Clone();
        wrongUse.Use = DataKeyUse.Archive;
        var sentences = new List<string>();
        foreach (var wrong in new[] { wrongContext, wrongUse, Binding(DataKeyUse.Field, ("tenant", "a")),
            Binding(DataKeyUse.General, ("tenant", "a")) })
        {
            sentences.Add(await Calls.RefusedAsync(
                Reason.DecryptionFailed, Client.UnwrapDataKeyAsync(new UnwrapDataKeyRequest { Wrapped = made.Wrapped, Binding = wrong })));
        }

        foreach (var place in new[] { 0, 9, 30, 68 })
        {
            var damaged = made.Wrapped.ToByteArray();
            damaged[place] ^= 1;
            sentences.Add(await Calls.RefusedAsync(
                Reason.DecryptionFailed, Client.UnwrapDataKeyAsync(
                    new UnwrapDataKeyRequest { Wrapped = ByteString.CopyFrom(damaged), Binding = binding })));
        }

        Assert.Single(sentences.Distinct());
    }

    [Fact]
    public async Task An_unknown_version_is_refused_as_a_missing_grant()
    {
        var key = await Calls.NewKeyAsync(service);
        var binding = Binding(DataKeyUse.General);
        var wrapped = (await Client.GenerateDataKeyAsync(new GenerateDataKeyRequest { Key = key.Name,
            Binding = binding })).Wrapped.ToByteArray();
        wrapped[1] ^= 1;
        await Calls.RefusedAsync(
            Reason.AccessDenied, Client.UnwrapDataKeyAsync(new UnwrapDataKeyRequest { Wrapped = ByteString.CopyFrom(wrapped),
                Binding = binding }));
        await Calls.RefusedAsync(Reason.AccessDenied, Client.GenerateDataKeyAsync(
            new GenerateDataKeyRequest { Key = "no/such-key", Binding = binding }));
    }

    [Fact]
    public async Task A_thousand_data_keys_are_all_different_and_all_open()
    {
        var key = await Calls.NewKeyAsync(service);
        var request = new GenerateDataKeysRequest { Key = key.Name, Binding = new DataKeyBinding { Use = DataKeyUse.Field }, Count = 1000 };
        request.SubjectIds.AddRange(Enumerable.Range(0, 1000).Select(_ => NewSubject()));
        var made = (await Client.GenerateDataKeysAsync(request)).DataKeys;

        Assert.Equal(1000, made.Select(each => each.Plaintext).Distinct().Count());
        Assert.Equal(1000, made.Select(each => each.Wrapped).Distinct().Count());
        foreach (var index in new[] { 0, 1, 500, 999 })
        {
            var opened = await Client.UnwrapDataKeyAsync(new UnwrapDataKeyRequest
            {
                Wrapped = made[index].Wrapped,
                Binding = new DataKeyBinding { Use = DataKeyUse.Field, SubjectId = request.SubjectIds[index] },
            });
            Assert.Equal(made[index].Plaintext, opened.Plaintext);
        }
    }

    [Fact]
    public async Task Without_plaintext_only_the_wrapped_key_is_answered()
    {
        var key = await Calls.NewKeyAsync(service);
        var one = await Client.GenerateDataKeyAsync(new GenerateDataKeyRequest { Key = key.Name, Binding = Binding(DataKeyUse.General),
            WithoutPlaintext = true });
        Assert.Empty(one.Plaintext);
        var many = await Client.GenerateDataKeysAsync(
            new GenerateDataKeysRequest { Key = key.Name, Binding = Binding(DataKeyUse.General), Count = 3, WithoutPlaintext = true });
        Assert.All(many.DataKeys, each => Assert.Empty(each.Plaintext));
        var opened = await Client.UnwrapDataKeyAsync(new UnwrapDataKeyRequest { Wrapped = many.DataKeys[2].Wrapped,
            Binding = Binding(DataKeyUse.General) });
        Assert.Equal(32, opened.Plaintext.Length);
    }

    [Fact]
    public async Task Counts_and_subjects_outside_the_rules_are_refused()
    {
        var key = (await Calls.NewKeyAsync(service)).Name;
        var general = Binding(DataKeyUse.General);
        await Calls.RefusedAsync(Reason.BatchTooLarge, Client.GenerateDataKeysAsync(
            new GenerateDataKeysRequest { Key = key, Binding = general, Count = 1001 }));
        await Calls.RefusedAsync(Reason.InvalidArgument, Client.GenerateDataKeysAsync(
            new GenerateDataKeysRequest { Key = key, Binding = general }));
        await Calls.RefusedAsync(Reason.InvalidArgument, Client.GenerateDataKeyAsync(new GenerateDataKeyRequest { Key = key }));
        await Calls.RefusedAsync(Reason.InvalidArgument, Client.GenerateDataKeyAsync(
            new GenerateDataKeyRequest { Key = key, Binding = Binding(DataKeyUse.Unspecified) }));
        await Calls.RefusedAsync(
            Reason.InvalidArgument,
            Client.GenerateDataKeyAsync(new GenerateDataKeyRequest { Key = key,
                Binding = new DataKeyBinding { Use = DataKeyUse.Field, SubjectId = ByteString.CopyFrom(new byte[15]) } }));
        await Calls.RefusedAsync(
            Reason.InvalidArgument,
            Client.GenerateDataKeyAsync(new GenerateDataKeyRequest { Key = key,
                Binding = new DataKeyBinding { Use = DataKeyUse.General, SubjectId = NewSubject() } }));
        var twice = NewSubject();
        await Calls.RefusedAsync(
            Reason.InvalidArgument,
            Client.GenerateDataKeysAsync(new GenerateDataKeysRequest
            {
                Key = key, Binding = new DataKeyBinding { Use = DataKeyUse.Archive }, Count = 2, SubjectIds = { twice, twice },
            }));
        await Calls.RefusedAsync(
            Reason.InvalidArgument,
            Client.GenerateDataKeysAsync(new GenerateDataKeysRequest { Key = key, Binding = new DataKeyBinding { Use = DataKeyUse.Archive },
                Count = 2 }));
    }

    [Fact]
    public async Task After_a_rotation_old_data_keys_open_and_rewrapping_takes_them_along()
    {
        var key = await Calls.NewKeyAsync(service);
        var binding = Binding(DataKeyUse.Archive, ("table", "patient"));
        var made = await Client.GenerateDataKeyAsync(new GenerateDataKeyRequest { Key = key.Name, Binding = binding });
        var same = await Client.RewrapDataKeyAsync(new RewrapDataKeyRequest { Wrapped = made.Wrapped, Binding = binding });
        Assert.Equal((false, made.Wrapped), (same.Changed, same.Wrapped));

        var rotated = await Calls.RotateAsync(service, key.Name);
        var moved = await Client.RewrapDataKeyAsync(new RewrapDataKeyRequest { Wrapped = made.Wrapped, Binding = binding });
        Assert.Equal((true, rotated.Primary.Id), (moved.Changed, moved.KeyVersion));
        foreach (var wrapped in new[] { made.Wrapped, moved.Wrapped })
        {
            Assert.Equal(made.Plaintext, (await Client.UnwrapDataKeyAsync(
                new UnwrapDataKeyRequest { Wrapped = wrapped, Binding = binding })).Plaintext);
        }

        Assert.Equal(rotated.Primary.Id, (await Client.GenerateDataKeyAsync(
            new GenerateDataKeyRequest { Key = key.Name, Binding = binding })).KeyVersion);
        await Calls.RefusedAsync(
            Reason.DecryptionFailed, Client.RewrapDataKeyAsync(
                new RewrapDataKeyRequest { Wrapped = made.Wrapped, Binding = Binding(DataKeyUse.Archive) }));
    }

    [Fact]
    public async Task Many_are_rewrapped_with_a_result_or_an_error_for_each()
    {
        var key = await Calls.NewKeyAsync(service);
        var binding = Binding(DataKeyUse.General);
        var made = await Client.GenerateDataKeysAsync(new GenerateDataKeysRequest { Key = key.Name, Binding = binding, Count = 3 });
        await Calls.RotateAsync(service, key.Name);
        var request = new RewrapDataKeysRequest();
        request.Items.AddRange(made.DataKeys.Select(each => new RewrapDataKeyRequest { Wrapped = each.Wrapped, Binding = binding }));
        request.Items[1].Binding = Binding(DataKeyUse.General, ("other", "context"));
        var unknown = made.DataKeys[2].Wrapped.ToByteArray();
        unknown[1] ^= 1;
        request.Items[2].Wrapped = ByteString.CopyFrom(unknown);
        request.Items.Add(new RewrapDataKeyRequest { Wrapped = ByteString.CopyFromUtf8("no data key"), Binding = binding });

        var results = (await Client.RewrapDataKeysAsync(request)).Results;
        Assert.True(results[0].Rewrapped.Changed);
        Assert.Equal(["DECRYPTION_FAILED", "ACCESS_DENIED", "DECRYPTION_FAILED"], results.Skip(1).Select(result => result.Error));

        await Calls.RefusedAsync(Reason.InvalidArgument, Client.RewrapDataKeysAsync(new RewrapDataKeysRequest()));
        var many = new RewrapDataKeysRequest();
        many.Items.AddRange(Enumerable.Repeat(request.Items[0], 1001));
        await Calls.RefusedAsync(Reason.BatchTooLarge, Client.RewrapDataKeysAsync(many));
    }

    [Fact]
    public async Task A_bulk_key_of_the_store_is_not_accepted_as_a_data_key()
    {
        // What somebody who copied the database would try: the purpose in the associated data is not that of any use.
        var key = await Calls.NewKeyAsync(service);
        var bulkKey = await StoredRows.ReadBlobAsync(
            service.StorePath, "SELECT wrapped FROM bulk_keys WHERE version_id = @id",
                unchecked((long)Convert.ToUInt64(key.Primary.Id, 16)));
        foreach (var use in new[] { DataKeyUse.General, DataKeyUse.Field, DataKeyUse.Archive })
        {
            await Calls.RefusedAsync(
                Reason.DecryptionFailed,
                Client.UnwrapDataKeyAsync(new UnwrapDataKeyRequest { Wrapped = ByteString.CopyFrom(bulkKey), Binding = Binding(use) }));
        }
    }

    public void Dispose() => database.Dispose();

    private static ByteString NewSubject() => ByteString.CopyFrom(RandomNumberGenerator.GetBytes(16));

    private static DataKeyBinding Binding(DataKeyUse use, params (string Key, string Value)[] context) => new()
    {
        Use = use,
        SubjectId = use is DataKeyUse.Field or DataKeyUse.Archive ? NewSubject() : ByteString.Empty,
        Context = Calls.Context(context),
    };
}
