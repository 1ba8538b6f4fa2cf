using System.Buffers.Binary;
using System.Security.Cryptography;

namespace KeyService.Crypto;

/// <summary>
/// One-time passwords of time: TOTP (RFC 6238) over HOTP (RFC 4226) with HMAC-SHA-1, 6 digits and steps of 30 s from the Unix epoch, the one set of
/// parameters that every authenticator application knows; docs/spec/second-factor.md.
/// </summary>
public static class OneTimePassword
{
    /// <summary>Bytes of a seed: 160 bits, RFC 4226 section 4, R6.</summary>
    public const int SeedLength = 20;

    /// <summary>Digits of a code.</summary>
    public const int Digits = 6;

    /// <summary>Length of a step.</summary>
    public static readonly TimeSpan Step = TimeSpan.FromSeconds(30);

    private const int CodeCount = 1_000_000;

    /// <summary>The step that a time lies in; 0 is the first after 1970.</summary>
    public static long StepOf(DateTimeOffset time) => time.ToUnixTimeSeconds() / (long)Step.TotalSeconds;

    /// <summary>The code of a step, 0 to 999,999.</summary>
    /// <param name="seed">20 bytes.</param>
    /// <param name="step">Not negative.</param>
    public static int CodeAt(ReadOnlySpan<byte> seed, long step)
    {
        if (seed.Length != SeedLength)
        {
            throw new ArgumentException($"A seed has {SeedLength} bytes.", nameof(seed));
        }

        return Truncated(seed, step) % CodeCount;
    }

    /// <summary>A code as people write it: just 6 ASCII digits.</summary>
    public static bool TryParse(ReadOnlySpan<byte> text, out int code)
    {
        code = 0;
        if (text.Length != Digits)
        {
            return false;
        }

        foreach (var digit in text)
        {
            if (digit is < (byte)'0' or > (byte)'9')
            {
                code = 0;
                return false;
            }

            code = (code * 10) + (digit - '0');
        }

        return true;
    }

    /// <summary>The 31 bits that RFC 4226 section 5.3 takes out of the MAC, before they are cut to digits.</summary>
    internal static int Truncated(ReadOnlySpan<byte> seed, long counter)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(counter);
        Span<byte> message = stackalloc byte[8];
        Span<byte> mac = stackalloc byte[HMACSHA1.HashSizeInBytes];
        BinaryPrimitives.WriteInt64BigEndian(message, counter);
        // SHA-1 under HMAC: its collisions are no attack here (RFC 6194 section 3.3), and applications ignore a request for another hash.
#pragma warning disable CA5350
        HMACSHA1.HashData(seed, message, mac);
#pragma warning restore CA5350
        var offset = mac[^1] & 0xF;
        return BinaryPrimitives.ReadInt32BigEndian(mac[offset..]) & int.MaxValue;
    }
}
