using Google.Protobuf;
using Grpc.Core;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.Service;

/// <summary>A version that was declared compromised, over the real service: what stops, what goes on, and who is told.</summary>
[Collection(RunningService.Name)]
public sealed class CompromiseTests(ServiceFixture service)
{
    [Fact]
    public async Task What_was_protected_opens_with_a_warning_and_new_data_goes_under_the_next_version()
    {
        var key = await Calls.NewKeyAsync(service);
        using var database = service.ConnectAs("database");
        using var administrator = service.ConnectAs("administrator");
        var cipher = new Cipher.CipherClient(database);
        var token = (await cipher.EncryptAsync(new EncryptRequest { Key = key.Name, Plaintext = ByteString.CopyFromUtf8("note") })).Ciphertext;
        Assert.Equal(("note", null), await DecryptAsync(cipher, token));

        var since = Google.Protobuf.WellKnownTypes.Timestamp.FromDateTimeOffset(key.CreateTime.ToDateTimeOffset().AddSeconds(-1));
        var declared = await new Keys.KeysClient(administrator).ChangeKeyVersionStateAsync(new ChangeKeyVersionStateRequest
        {
            RequestId = Calls.NewRequestId(), Name = key.Name, State = KeyState.Compromised, Reason = "a drill", SuspectedSince = since,
        });
        Assert.Equal((key.Primary.Id, KeyState.Compromised, since), (declared.Version.Id, declared.Version.State, declared.Version.SuspectedSince));
        Assert.True(declared.Version.CompromiseProcessedTime > since);
        Assert.Equal(KeyState.Active, declared.Key.Primary.State);

        Assert.Equal(("note", $"key version {key.Primary.Id} is compromised"), await DecryptAsync(cipher, token));
        var next = await cipher.EncryptAsync(new EncryptRequest { Key = key.Name, Plaintext = ByteString.CopyFromUtf8("next") });
        Assert.Equal(declared.Key.Primary.Id, next.KeyVersion);
        Assert.Equal(("next", null), await DecryptAsync(cipher, next.Ciphertext));

        using var alarms = service.ConnectAs("administrator");
        var open = await new Protocol.V1.Alarms.AlarmsClient(alarms).ListAlarmsAsync(new ListAlarmsRequest());
        Assert.Contains(open.Alarms, alarm => alarm.Subject == key.Name);
    }

    [Fact]
    public async Task A_batch_tells_of_every_compromised_version_in_it()
    {
        using var database = service.ConnectAs("database");
        using var administrator = service.ConnectAs("administrator");
        var cipher = new Cipher.CipherClient(database);
        var request = new DecryptBatchRequest();
        var compromised = new List<string>();
        for (var i = 0; i < 3; i++)
        {
            var key = await Calls.NewKeyAsync(service);
            request.Items.Add(new DecryptItem
            {
                Ciphertext = (await cipher.EncryptAsync(new EncryptRequest { Key = key.Name, Plaintext = ByteString.CopyFromUtf8("note") })).Ciphertext,
            });
            if (i > 0)
            {
                await new Keys.KeysClient(administrator).ChangeKeyVersionStateAsync(new ChangeKeyVersionStateRequest
                {
                    RequestId = Calls.NewRequestId(), Name = key.Name, State = KeyState.Compromised, Reason = "a drill",
                });
                compromised.Add(key.Primary.Id);
            }
        }

        using var call = cipher.DecryptBatchAsync(request);
        Assert.All((await call.ResponseAsync).Results, result => Assert.Equal("note", result.Data.ToStringUtf8()));
        Assert.Equal($"key versions {string.Join(", ", compromised.Order(StringComparer.Ordinal))} are compromised", call.GetTrailers().GetValue("keyservice-warning"));
    }

    [Fact]
    public async Task A_suspended_key_that_decrypts_no_more_says_so_to_the_one_who_may_know()
    {
        var key = await Calls.NewKeyAsync(service);
        using var database = service.ConnectAs("database");
        using var administrator = service.ConnectAs("administrator");
        var cipher = new Cipher.CipherClient(database);
        var token = (await cipher.EncryptAsync(new EncryptRequest { Key = key.Name, Plaintext = ByteString.CopyFromUtf8("note") })).Ciphertext;
        var keys = new Keys.KeysClient(administrator);
        await keys.ChangeKeyVersionStateAsync(new ChangeKeyVersionStateRequest
        {
            RequestId = Calls.NewRequestId(), Name = key.Name, State = KeyState.Suspended, Reason = "a drill", StopProcessing = true,
        });
        await Calls.RefusedAsync(Reason.KeyState, cipher.DecryptAsync(new DecryptRequest { Ciphertext = token }));
        await Calls.RefusedAsync(Reason.KeyState, cipher.EncryptAsync(new EncryptRequest { Key = key.Name }));
        await keys.ChangeKeyVersionStateAsync(new ChangeKeyVersionStateRequest
        {
            RequestId = Calls.NewRequestId(), Name = key.Name, State = KeyState.Active, Reason = "the drill is over",
        });
        Assert.Equal(("note", null), await DecryptAsync(cipher, token));
        await Calls.RefusedAsync(
            Reason.AccessDenied,
            new Keys.KeysClient(database).ChangeKeyVersionStateAsync(new ChangeKeyVersionStateRequest
            {
                RequestId = Calls.NewRequestId(), Name = key.Name, State = KeyState.Suspended, Reason = "not mine to say",
            }));
    }

    private static async Task<(string Plaintext, string? Warning)> DecryptAsync(Cipher.CipherClient cipher, ByteString token)
    {
        using var call = cipher.DecryptAsync(new DecryptRequest { Ciphertext = token });
        var answer = await call.ResponseAsync;
        return (answer.Plaintext.ToStringUtf8(), call.GetTrailers().GetValue("keyservice-warning"));
    }
}
