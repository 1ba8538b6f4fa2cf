using System.Buffers;
using System.Text;
using KeyService.Crypto;
using KeyService.IntegrationTests.Hsm;
using KeyService.Protocol.Bulk;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Ciphering;
using KeyService.Server.Pipeline;

namespace KeyService.IntegrationTests.Service;

/// <summary>
/// A batch costs the server no object an item: what 2,000 items allocate, 1,000 allocate too. Allocations are counted, never time.
/// </summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class AllocationTests(SoftHsmDirectory softHsm) : IClassFixture<SoftHsmDirectory>
{
    /// <summary>Bytes by which one run may differ from another, for what the pools and the runtime do in between; far below one object an
    /// item.</summary>
    private const long Noise = 4096;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Encryption_decryption_and_reencryption_allocate_nothing_an_item(bool contextPerItem)
    {
        await using var keys = await KeyRingInProcess.StartAsync(softHsm);
        await keys.CreateAsync("allocation");
        var encryption = new FieldEncryption(keys.Ring, TimeProvider.System);
        var decryption = new FieldDecryption(keys.Ring);
        var reencryption = new FieldReencryption(keys.Ring, TimeProvider.System);
        var allocated = new Dictionary<(string, int), long>();
        foreach (var count in new[] { 2000, 1000, 2000, 1000, 2000, 1000 })
        {
            var plaintexts = Batch(FieldMessage.EncryptBatch, count, contextPerItem, _ => new byte[100]);
            var answer = Measure(allocated, "encrypt", count, plaintexts, request =>
                encryption.RunAsync(request, NewCall(keys, Permission.Encrypt)));
            using var tokens = FieldResponse.Read(FieldMessage.EncryptBatch, new ReadOnlySequence<byte>(answer));
            Assert.Equal(count, tokens.ResultCount);

            var ciphertexts = Batch(FieldMessage.DecryptBatch, count, contextPerItem, item =>
                tokens.TryGetData(item, out var data) ? data.ToArray() : []);
            answer = Measure(allocated, "decrypt", count, ciphertexts, request =>
                decryption.RunAsync(request, NewCall(keys, Permission.Decrypt)));
            using var opened = FieldResponse.Read(FieldMessage.DecryptBatch, new ReadOnlySequence<byte>(answer));
            Assert.True(opened.TryGetData(count - 1, out var plaintext) && plaintext.SequenceEqual(new byte[100]));
            Measure(allocated, "reencrypt", count, ciphertexts, request =>
                reencryption.RunAsync(request, NewCall(keys, Permission.Reencrypt)));
        }

        foreach (var what in new[] { "encrypt", "decrypt", "reencrypt" })
        {
            var difference = allocated[(what, 2000)] - allocated[(what, 1000)];
            Assert.True(difference < Noise, $"{what}: 1,000 more items allocated {difference} bytes more.");
        }
    }

    private static byte[] Measure(
        Dictionary<(string, int), long> allocated, string what, int count, ReadOnlySequence<byte> message, Func<FieldRequest,
            Task<FieldResponse>> run)
    {
        var kind = what == "encrypt" ? FieldMessage.EncryptBatch : FieldMessage.DecryptBatch;
        var before = GC.GetAllocatedBytesForCurrentThread();
        var running = run(FieldRequest.Read(kind, message));
        Assert.True(running.IsCompletedSuccessfully, "Everything is in memory: the call does not wait.");
        var used = GC.GetAllocatedBytesForCurrentThread() - before;

        // The least of several runs: the first ones fill the pools.
        allocated[(what, count)] = Math.Min(used, allocated.GetValueOrDefault((what, count), long.MaxValue));
        using var answer = running.Result;
        return answer.Message.Span.ToArray();
    }

    private static ReadOnlySequence<byte> Batch(FieldMessage kind, int count, bool contextPerItem, Func<int, byte[]> dataOf)
    {
        using var builder = new FieldRequestBuilder(kind);
        if (kind == FieldMessage.EncryptBatch)
        {
            builder.SetKey("allocation");
        }

        builder.AddContext("table"u8, "patient"u8);
        for (var item = 0; item < count; item++)
        {
            builder.AddItem(dataOf(item), contextPerItem ? "row"u8 : default, Encoding.ASCII.GetBytes($"{item}"));
        }

        using var request = builder.Build();
        return new ReadOnlySequence<byte>(request.Message.Span.ToArray());
    }

    private static Call NewCall(KeyRingInProcess keys, Permission permission)
    {
        var principal = new Principal
        {
            Name = "database", Type = PrincipalType.Service, Credential = new Credential(CredentialKind.UnixUid, "0"), Disabled = false,
            CreateTime = DateTimeOffset.UnixEpoch, Revision = 1,
        };
        var rpc = new RpcAttribute(permission, AuditEvent.FieldsEncrypted);
        return new Call(rpc, "/keyservice.v1.Cipher/Test", principal, new AuditRecordDraft(rpc.AuditEvent), 0, (_, _, _, _) =>
            AccessDecision.Allowed, keys.Contexts, keys.Store, null!, null!);
    }
}
