using Google.Protobuf;
using KeyService.Protocol.V1;

namespace KeyService.Load;

/// <summary>Fills the audit log as an EHR does: fields are decrypted one by one, each answer checked, each on record.</summary>
internal static class RecordLoad
{
    public static async Task<int> RunAsync(Connection connection, string key, TimeSpan duration)
    {
        using var channel = connection.Open(connection.Endpoint);
        var cipher = new Cipher.CipherClient(channel);
        var context = new Context { Entries = { new ContextEntry { Key = "table", Value = "patients" } } };
        var plaintext = ByteString.CopyFromUtf8("penicillin allergy, severe");
        var token = await cipher.EncryptAsync(new EncryptRequest { Key = key, Context = context, Plaintext = plaintext });
        var request = new DecryptRequest { Ciphertext = token.Ciphertext, Context = context };
        var rate = await Load.Measure.ClosedLoopAsync(64, duration, async _ =>
        {
            if ((await cipher.DecryptAsync(request)).Plaintext != plaintext)
            {
                throw new InvalidOperationException("A field did not come back as it was.");
            }
        });
        Console.WriteLine($"records calls={rate.Calls} rate={rate.PerSecond:F0}/s p50={rate.P50Microseconds:F0}us p99={rate.P99Microseconds:F0}us");
        return 0;
    }
}
