using System.Security.Cryptography;
using KeyService.Crypto;

namespace KeyService.Server.BreakGlass;

/// <summary>Two codes in two envelopes, for two holders, as the store has them: slow hashes. Good once, both together.</summary>
internal sealed record SealedEnvelopes
{
    /// <summary>Random bytes of a code; 26 letters of base32 on paper.</summary>
    public const int CodeBytes = 16;

    public const int SaltLength = 16;
    public const int HashLength = 32;

    /// <summary>Wrong attempts that use a set up.</summary>
    public const int Failures = 3;

    /// <summary>PBKDF2-HMAC-SHA-256 rounds. The codes have 128 bits; the rounds are for who would copy them short.</summary>
    private const int Rounds = 600_000;

    public required ulong Id { get; init; }

    public required string MadeBy { get; init; }

    public required DateTimeOffset MakeTime { get; init; }

    /// <summary>Salt and hash of the first holder's code.</summary>
    public required byte[] First { get; init; }

    public required byte[] Second { get; init; }

    public required long WrongAttempts { get; init; }

    /// <summary>Opened with, replaced, or tried in vain too often; null while it can be used.</summary>
    public required DateTimeOffset? EndTime { get; init; }

    public required long Revision { get; init; }

    public static int CodeLength => Base32.LengthOf(CodeBytes);

    /// <summary>A new code; the caller hands it out once and zeroes it.</summary>
    public static byte[] NewCode()
    {
        Span<byte> random = stackalloc byte[CodeBytes];
        RandomNumberGenerator.Fill(random);
        var code = new byte[CodeLength];
        Base32.Encode(random, code);
        CryptographicOperations.ZeroMemory(random);
        return code;
    }

    public static byte[] HashOf(ReadOnlySpan<byte> code)
    {
        var kept = new byte[SaltLength + HashLength];
        RandomNumberGenerator.Fill(kept.AsSpan(0, SaltLength));
        Rfc2898DeriveBytes.Pbkdf2(code, kept.AsSpan(0, SaltLength), kept.AsSpan(SaltLength), Rounds, HashAlgorithmName.SHA256);
        return kept;
    }

    /// <summary>Whether both are right; both are always computed.</summary>
    public bool Open(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second) => IsOf(First, first) & IsOf(Second, second);

    private static bool IsOf(byte[] kept, ReadOnlySpan<byte> code)
    {
        Span<byte> hash = stackalloc byte[HashLength];
        Rfc2898DeriveBytes.Pbkdf2(code, kept.AsSpan(0, SaltLength), hash, Rounds, HashAlgorithmName.SHA256);
        return CryptographicOperations.FixedTimeEquals(hash, kept.AsSpan(SaltLength));
    }
}
