using KeyService.Client;
using KeyService.IntegrationTests.Service;

namespace KeyService.IntegrationTests.Sdk;

/// <summary>A field costs its result and no object beside it while the data key is at hand. Allocations are counted, never time.</summary>
[Collection(RunningService.Name)]
public sealed class FieldAllocationTests(ServiceFixture service)
{
    private const int Fields = 5000;

    /// <summary>What the runtime may do in between: far below one object a field.</summary>
    private const long Noise = 8192;

    private static readonly EncryptedColumn Ssn = new("ehr", "patient", "ssn");
    private static readonly EncryptedColumn Line = new("ehr", "order_line", "drug");

    [Fact]
    public async Task A_field_allocates_its_result_and_nothing_else()
    {
        using var client = service.Connect(service.Database);
        var (keeper, table) = await SdkService.NewTableAsync();
        await using var open = keeper;
        var key = (await Calls.NewKeyAsync(service)).Name;
        await using var fields = client.CreateFieldEncryption(new FieldEncryptionOptions { Key = key, Table = table });
        var plaintext = new byte[100];
        var token = await fields.EncryptAsync(Ssn.Row(1), plaintext.AsMemory());
        await fields.DecryptAsync(Ssn.Row(1), token.AsMemory());
        var room = new byte[FieldEncryption.TokenLength(plaintext.Length)];
        var uuid = Guid.NewGuid();

        AllocatesOnly(0, i => Done(fields.EncryptAsync(Ssn.Row(i + 1), plaintext, room)));
        AllocatesOnly(0, _ => Done(fields.EncryptAsync(Ssn.Row(uuid), plaintext, room)));
        AllocatesOnly(0, i => Done(fields.EncryptAsync(Line.Row("MRN 42", i), plaintext, room)));
        AllocatesOnly(SizeOf(room.Length), i => Done(fields.EncryptAsync(Ssn.Row(i + 1), plaintext.AsMemory())));
        AllocatesOnly(SizeOf(plaintext.Length), _ => Done(fields.DecryptAsync(Ssn.Row(1), token.AsMemory())));
    }

    // An array: header and length, then the bytes, up to the next multiple of 8.
    private static long SizeOf(int bytes) => (24 + bytes + 7) / 8 * 8;

    private static bool Done<T>(ValueTask<T> call) => call.IsCompletedSuccessfully;

    private static void AllocatesOnly(long bytesEach, Func<int, bool> call)
    {
        var least = long.MaxValue;
        for (var round = 0; round < 3; round++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < Fields; i++)
            {
                Assert.True(call(i), "The key is at hand: nothing waits.");
            }
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        Assert.InRange(least, bytesEach * Fields, (bytesEach * Fields) + Noise);
    }
}
