using System.Security.Cryptography;
using KeyService.Crypto;

namespace KeyService.Hsm.Login;

/// <summary>
/// PINs that a token refused in this process. A token counts wrong PINs and locks, some at the third: the same one is never sent twice. Remembered as a MAC
/// under a key of this process, so that only a PIN that really changed is tried, not a file that was merely touched.
/// </summary>
internal static class RefusedPins
{
    private static readonly SecretBuffer ProcessKey = SecretBuffer.Random(32);
    private static readonly HashSet<string> Refused = [];
    private static readonly Lock Sync = new();

    internal static bool Contains(string tokenSerial, ReadOnlySpan<byte> pin)
    {
        lock (Sync)
        {
            return Refused.Contains(Fingerprint(tokenSerial, pin));
        }
    }

    internal static void Add(string tokenSerial, ReadOnlySpan<byte> pin)
    {
        lock (Sync)
        {
            Refused.Add(Fingerprint(tokenSerial, pin));
        }
    }

    private static string Fingerprint(string tokenSerial, ReadOnlySpan<byte> pin)
    {
        Span<byte> mac = stackalloc byte[32];
        HMACSHA256.HashData(ProcessKey.DangerousSpan, pin, mac);
        return tokenSerial + ":" + Convert.ToHexString(mac);
    }
}
