using System.Security.Cryptography;
using Google.Protobuf;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.RealInput;

/// <summary>What was written before a restart, or before a crash, opens after it.</summary>
public sealed class AfterRestartTests(ServiceFixture service) : IClassFixture<ServiceFixture>
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_data_key_unwrapped_after_a_restart_opens_what_was_written_before(bool crash)
    {
        var key = crash ? "ehr/crash" : "ehr/restart";
        await service.CreateKeyAsync(key);
        var record = await File.ReadAllBytesAsync(Path.Combine(FhirRecords.SampleDirectory, "patient-example.json"));
        var binding = new DataKeyBinding { Use = DataKeyUse.General, Context = ColumnCipher.Context(("table", "documents")) };
        ByteString wrapped, token;
        var (nonce, sealedRecord, tag) = (RandomNumberGenerator.GetBytes(12), new byte[record.Length], new byte[16]);
        using (var before = service.ConnectAs("database"))
        {
            var made = await new DataKeys.DataKeysClient(before).GenerateDataKeyAsync(
                new GenerateDataKeyRequest { Key = key, Binding = binding });
            wrapped = made.Wrapped;
            using var aes = new AesGcm(made.Plaintext.Span, 16);
            aes.Encrypt(nonce, record, sealedRecord, tag);
            token = (await new Cipher.CipherClient(before).EncryptAsync(new EncryptRequest
            {
                Key = key, Context = binding.Context, Plaintext = ByteString.CopyFrom(record),
            })).Ciphertext;
        }

        await (crash ? service.CrashAsync() : service.StopAsync());
        await service.StartAsync();

        using var after = service.ConnectAs("database");
        var unwrapped = await new DataKeys.DataKeysClient(after).UnwrapDataKeyAsync(
            new UnwrapDataKeyRequest { Wrapped = wrapped, Binding = binding });
        var opened = new byte[record.Length];
        using (var aes = new AesGcm(unwrapped.Plaintext.Span, 16))
        {
            aes.Decrypt(nonce, sealedRecord, tag, opened);
        }
        Assert.Equal(record, opened);
        var field = await new Cipher.CipherClient(after).DecryptAsync(new DecryptRequest { Ciphertext = token, Context = binding.Context });
        Assert.Equal(record, field.Plaintext.ToByteArray());
    }
}
