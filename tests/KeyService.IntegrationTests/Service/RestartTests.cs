using Google.Protobuf;
using Grpc.Net.Client;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.Service;

/// <summary>What was protected before an end of the server opens after its next start: keys are loaded into the token again on
/// demand.</summary>
public sealed class RestartTests(ServiceFixture service) : IClassFixture<ServiceFixture>
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Data_keys_tokens_and_counts_survive(bool crash)
    {
        var key = await Calls.NewKeyAsync(service);
        var binding = new DataKeyBinding { Use = DataKeyUse.General, Context = Calls.Context(("tenant", "a")) };
        GenerateDataKeyResponse dataKey;
        EncryptResponse token;
        using (var before = service.ConnectAs("database"))
        {
            dataKey = await new DataKeys.DataKeysClient(before).GenerateDataKeyAsync(
                new GenerateDataKeyRequest { Key = key.Name, Binding = binding });
            token = await new Cipher.CipherClient(before).EncryptAsync(
                new EncryptRequest { Key = key.Name, Plaintext = ByteString.CopyFromUtf8("note") });
        }

        var rotated = await Calls.RotateAsync(service, key.Name);
        using (var before = service.ConnectAs("database"))
        {
            await new DataKeys.DataKeysClient(before).GenerateDataKeyAsync(new GenerateDataKeyRequest { Key = key.Name, Binding = binding });
        }

        if (crash)
        {
            await service.CrashAsync();
            await service.StartAsync();
        }
        else
        {
            await service.RestartAsync();
        }

        using var after = service.ConnectAs("database");
        var opened = await new DataKeys.DataKeysClient(after).UnwrapDataKeyAsync(
            new UnwrapDataKeyRequest { Wrapped = dataKey.Wrapped, Binding = binding });
        Assert.Equal(dataKey.Plaintext, opened.Plaintext);
        Assert.Equal("note", (await new Cipher.CipherClient(after).DecryptAsync(
            new DecryptRequest { Ciphertext = token.Ciphertext })).Plaintext.ToStringUtf8());
        var next = await new DataKeys.DataKeysClient(after).GenerateDataKeyAsync(
            new GenerateDataKeyRequest { Key = key.Name, Binding = binding });
        Assert.Equal(rotated.Primary.Id, next.KeyVersion);

        // What the server before had reserved is not used again: the next wrap took a block of its own. Two wraps belong to the making.
        using var administrator = service.ConnectAs("administrator");
        var read = (await new Keys.KeysClient(administrator).GetKeyAsync(new GetKeyRequest { Name = key.Name })).Key;
        Assert.Equal((2UL * 1024) + 2, read.Primary.WrapsReserved);
    }
}
