using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using KeyService.Crypto;

namespace KeyService.Benchmarks.Crypto;

/// <summary>
/// The same comparisons in CPU time of this thread, best and median of interleaved rounds: says something on a machine that others use
/// too, where wall-clock benchmarks do not. <c>KeyService.Benchmarks crypto-cpu</c>.
/// </summary>
internal static partial class CpuTimeReport
{
    private const int ThreadCpuTime = 3;
    private const int Rounds = 41;

    internal static void Run()
    {
        Console.WriteLine("CPU ns per message: best (median) of 41 interleaved rounds");
        Console.WriteLine("| size | GCM EVP | GCM BCL | XAES EVP | XAES BCL | token encrypt | token decrypt | bare XAES / token encrypt |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|");
        foreach (int size in new[] { 16, 100, 1024, 16 * 1024 })
        {
            Measure(size);
        }
        Contexts();
        Randomness();
    }

    private static void Measure(int size)
    {
        byte[] nonce = new byte[24], tag = new byte[16], plaintext = new byte[size], ciphertext = new byte[size];
        EncryptionContext context = EncryptionContext.Create([new("tenant", "st-mary"), new("table", "observation")]);
        byte[] aad = AssociatedData.ToArray(AadPurpose.FieldToken, FieldToken.Format1, new KeyVersionId(7), [], context);
        using SecretBuffer key = SecretBuffer.Random(32);
        using var gcmEvp = new Aes256Gcm(key.DangerousSpan, AesBackend.Evp!);
        using var gcmBcl = new Aes256Gcm(key.DangerousSpan, AesBackend.Bcl);
        using var xaesEvp = new XAes256Gcm(key.DangerousSpan, AesBackend.Evp!);
        using var xaesBcl = new XAes256Gcm(key.DangerousSpan, AesBackend.Bcl);
        using var cipher = new FieldCipher(key, new KeyVersionId(7));
        var token = new byte[cipher.TokenLength(size)];
        cipher.Encrypt(context, plaintext, token);
        (double Best, double Median)[] times = Interleaved(
            size > 10_000 ? 100 : 1_000,
            () => gcmEvp.Encrypt(nonce.AsSpan(0, 12), plaintext, ciphertext, tag, aad),
            () => gcmBcl.Encrypt(nonce.AsSpan(0, 12), plaintext, ciphertext, tag, aad),
            () => xaesEvp.Encrypt(nonce, plaintext, ciphertext, tag, aad),
            () => xaesBcl.Encrypt(nonce, plaintext, ciphertext, tag, aad),
            () => cipher.Encrypt(context, plaintext, token),
            () => cipher.TryDecrypt(context, token, plaintext));
        string cells = string.Join(" | ", times.Select(time => string.Create(CultureInfo.InvariantCulture, $"{time.Best:F0} ({time.Median:F0})")));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {size} | {cells} | {times[2].Best / times[4].Best:F2} |"));
    }

    private static void Contexts()
    {
        KeyValuePair<string, string>[] pairs = [new("tenant", "st-mary"), new("table", "observation"), new("row", "4711")];
        EncryptionContext shared = EncryptionContext.Create(pairs[..2]);
        EncryptionContext row = EncryptionContext.Create(pairs[2..]);
        (double Best, double Median)[] times = Interleaved(1_000, () => EncryptionContext.Create(pairs), () => shared.Merge(row));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"context of 3 pairs: create {times[0].Best:F0} ({times[0].Median:F0}), merge 2 + 1 {times[1].Best:F0} ({times[1].Median:F0})"));
    }

    private static void Randomness()
    {
        byte[] one = new byte[24], few = new byte[64 * 24], many = new byte[256 * 24];
        (double Best, double Median)[] times = Interleaved(
            200, () => RandomNumberGenerator.Fill(one), () => RandomNumberGenerator.Fill(few), () => RandomNumberGenerator.Fill(many));
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"24-byte nonce drawn alone {times[0].Best:F0}, with 64 {times[1].Best / 64:F1}, with 256 {times[2].Best / 256:F1} (medians {times[0].Median:F0}, {times[1].Median / 64:F1}, {times[2].Median / 256:F1})"));
    }

    internal static (double Best, double Median)[] Interleaved(int count, params Action[] works)
    {
        var times = new double[works.Length][];
        for (int i = 0; i < works.Length; i++)
        {
            times[i] = new double[Rounds];
            // Through all tiers of the compiler before the first round counts.
            Once(works[i], 3_000);
        }
        for (int round = 0; round < Rounds; round++)
        {
            for (int i = 0; i < works.Length; i++)
            {
                times[i][round] = Once(works[i], count);
            }
        }
        return [.. times.Select(rounds => { Array.Sort(rounds); return (rounds[0], rounds[Rounds / 2]); })];
    }

    private static double Once(Action work, int count)
    {
        _ = ClockGetTime(ThreadCpuTime, out TimeSpec start);
        for (int i = 0; i < count; i++)
        {
            work();
        }
        _ = ClockGetTime(ThreadCpuTime, out TimeSpec end);
        return (((end.Seconds - start.Seconds) * 1e9) + (end.Nanoseconds - start.Nanoseconds)) / count;
    }

    [StructLayout(LayoutKind.Sequential)]
    private readonly struct TimeSpec
    {
        internal readonly nint Seconds;
        internal readonly nint Nanoseconds;
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int ClockGetTime(int clock, out TimeSpec time);
}
