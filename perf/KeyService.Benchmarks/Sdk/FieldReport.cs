using System.Globalization;
using KeyService.Benchmarks.Crypto;
using KeyService.Client;
using KeyService.Crypto;
using Microsoft.Data.Sqlite;

namespace KeyService.Benchmarks.Sdk;

/// <summary>
/// Bar P4: fields encrypted and decrypted by the SDK in process with a leased data key, beside a bare loop of XAES-256-GCM over EVP with the
/// same associated data, in CPU time of one thread; and what a call allocates. No service answers here: the data key is put in place
/// as after a call. <c>KeyService.Benchmarks sdk-fields</c>.
/// </summary>
internal static class FieldReport
{
    private static readonly EncryptedColumn Column = new("ehr", "patient", "ssn");

    internal static async Task RunAsync()
    {
        Console.WriteLine("CPU ns a field: best (median) of 41 interleaved rounds; the row's key is a number that changes with each field");
        Console.WriteLine("| size | bare XAES EVP | SDK encrypt into memory | SDK encrypt | SDK decrypt | bare / into memory | bare / encrypt | bare / decrypt | bytes beyond the result |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|---|");
        using var client = KeyServiceClient.Connect(new ClientOptions { Endpoint = "unix:/nonexistent/keyservice.sock" });
        var table = new WrappedKeyTable(SqliteFactory.Instance.CreateDataSource("Data Source=:memory:"));
        await using var fields = client.CreateFieldEncryption(new FieldEncryptionOptions
        {
            Key = "perf", Table = table, Lease = new LeasePolicy { MaxAge = TimeSpan.FromHours(1) },
        });
        using var secret = SecretBuffer.Random(32);
        var key = fields.Keys.Take(7, secret, "0000000000000007", TimeProvider.System.GetTimestamp());
        key.Unwrapped(TimeProvider.System.GetTimestamp());
        foreach (var size in new[] { 16, 100, 1024 })
        {
            Measure(fields, secret, size);
        }
        Parts(key, secret);
    }

    // Where the rest goes, at 100 bytes: each part alone.
    private static void Parts(FieldKey key, SecretBuffer secret)
    {
        byte[] plaintext = new byte[100], token = new byte[157], buffer = new byte[4096];
        using var cipher = new FieldCipher(secret, new byte[16]);
        var context = Column.Row(1_000_000).ToEncryptionContext();
        var row = 1_000_000L;
        var time = TimeProvider.System;
        var times = CpuTimeReport.Interleaved(
            2_000,
            () => cipher.Encrypt(context, plaintext, token),
            () => Column.Row(row++),
            () => Column.Row(row++).Encode(buffer),
            () =>
            {
                if (key.TryBeginEncrypt(time.GetTimestamp(), 100))
                {
                    key.End();
                }
            },
            () => time.GetTimestamp(),
            () => { });
        string[] names = ["FieldCipher alone, context made before", "naming the row", "naming the row and encoding it", "coming in and leaving, with the time", "reading the time", "calling nothing"];
        foreach (var (name, (best, median)) in names.Zip(times))
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name,-40} {best,5:F0} ({median:F0})"));
        }
    }

    private static void Measure(FieldEncryption fields, SecretBuffer secret, int size)
    {
        byte[] nonce = new byte[24], tag = new byte[16], plaintext = new byte[size], ciphertext = new byte[size];
        var aad = AssociatedData.ToArray(
            AadPurpose.FieldTokenDataKey, FieldToken.Format2, KeyVersionId.None, new byte[16], Column.Row(1_000_000).ToEncryptionContext());
        using var bare = new XAes256Gcm(secret.DangerousSpan, AesBackend.Evp!);
        var token = new byte[FieldEncryption.TokenLength(size)];
        var sealedToken = fields.EncryptAsync(Column.Row(4711), plaintext.AsMemory()).AsTask().Result;
        var row = 1_000_000L;
        var times = CpuTimeReport.Interleaved(
            2_000,
            () => bare.Encrypt(nonce, plaintext, ciphertext, tag, aad),
            () => Done(fields.EncryptAsync(Column.Row(row++), plaintext, token)),
            () => Done(fields.EncryptAsync(Column.Row(row++), plaintext.AsMemory())),
            () => Done(fields.DecryptAsync(Column.Row(4711), sealedToken.AsMemory())));
        var cells = string.Join(" | ", times.Select(time => string.Create(CultureInfo.InvariantCulture, $"{time.Best:F0} ({time.Median:F0})")));
        var ratios = string.Join(" | ", times[1..].Select(time => string.Create(CultureInfo.InvariantCulture, $"{times[0].Best / time.Best:F2} ({times[0].Median / time.Median:F2})")));
        Console.WriteLine($"| {size} | {cells} | {ratios} | {Beyond(fields, plaintext, token)} |");
    }

    private static void Done<T>(ValueTask<T> call)
    {
        if (!call.IsCompletedSuccessfully)
        {
            throw new InvalidOperationException("The key is at hand: nothing waits.");
        }
        _ = call.Result;
    }

    private static long Beyond(FieldEncryption fields, byte[] plaintext, byte[] token)
    {
        const int Count = 10_000;
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 1; i <= Count; i++)
        {
            Done(fields.EncryptAsync(Column.Row(i), plaintext, token));
        }
        return (GC.GetAllocatedBytesForCurrentThread() - before) / Count;
    }
}
