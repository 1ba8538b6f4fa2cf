using System.Buffers;
using System.Globalization;
using System.Text;
using KeyService.Benchmarks.Crypto;
using KeyService.Crypto;
using KeyService.Protocol.Bulk;
using KeyService.Server.Ciphering;

namespace KeyService.Benchmarks.Ciphering;

/// <summary>
/// Bar P3 without transport and TLS: what EncryptBatch of 1,000 fields of 100 bytes costs the server from the bytes of the request to the
/// bytes
/// of the answer, beside a bare loop of XAES-256-GCM, in CPU time of one thread. <c>KeyService.Benchmarks ciphering-cpu</c>.
/// </summary>
internal static class BatchCpuReport
{
    private const int Items = 1000;
    private const int Size = 100;

    internal static void Run()
    {
        using var key = SecretBuffer.Random(32);
        using var cipher = new FieldCipher(key, new KeyVersionId(7));
        using var bare = new XAes256Gcm(key.DangerousSpan);
        var context = EncryptionContext.Create("table", "patients");
        var aad = AssociatedData.ToArray(AadPurpose.FieldToken, FieldToken.Format1, new KeyVersionId(7), [], context);
        byte[] nonce = new byte[24], tag = new byte[16], plaintext = new byte[Size], ciphertext = new byte[Size];
        var shared = Request(contextPerItem: false);
        var perItem = Request(contextPerItem: true);
        var times = CpuTimeReport.Interleaved(
            50,
            () =>
            {
                for (var item = 0; item < Items; item++)
                {
                    bare.Encrypt(nonce, plaintext, ciphertext, tag, aad);
                }
            },
            () => FieldRequest.Read(FieldMessage.EncryptBatch, shared).Dispose(),
            () => EncryptBatch(shared, context, cipher),
            () => EncryptBatch(perItem, context, cipher));
        Console.WriteLine("CPU ns an item, best (median) of interleaved rounds; 1,000 items of 100 bytes");
        string[] names = ["bare XAES-256-GCM", "reading the request", "EncryptBatch, one context", "EncryptBatch, a context an item"];
        foreach (var (name, (best, median)) in names.Zip(times))
        {
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"{name,-32} {best / Items,7:F0} ({median / Items:F0})   bare / this {times[0].Best / best:F2}"));
        }
    }

    private static void EncryptBatch(ReadOnlySequence<byte> message, EncryptionContext context, FieldCipher cipher)
    {
        using var request = FieldRequest.Read(FieldMessage.EncryptBatch, message);
        using var answer = FieldEncryption.Encrypt(request, context, cipher, "0000000000000007",
            (int)FieldEncryption.AnswerLength(request));
    }

    private static ReadOnlySequence<byte> Request(bool contextPerItem)
    {
        using var builder = new FieldRequestBuilder(FieldMessage.EncryptBatch);
        builder.SetKey("perf/load");
        builder.AddContext("table"u8, "patients"u8);
        for (var item = 0; item < Items; item++)
        {
            builder.AddItem(new byte[Size], contextPerItem ? "row"u8 : default, Encoding.ASCII.GetBytes($"{item}"));
        }

        using var request = builder.Build();
        return new ReadOnlySequence<byte>(request.Message.Memory.ToArray());
    }
}
