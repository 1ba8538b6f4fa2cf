using System.Security.Cryptography;

namespace KeyService.Crypto.Shares;

/// <summary>
/// What SLIP-39 splits is the secret encrypted under a passphrase, perhaps an empty one: a Feistel network of four rounds whose function is
/// PBKDF2-HMAC-SHA-256 (SLIP-39, "Encryption of the master secret"). It authenticates nothing: under another passphrase another secret comes out.
/// </summary>
internal static class MasterSecretCipher
{
    private const int Rounds = 4;
    private const int BaseIterations = 10_000;

    private static ReadOnlySpan<byte> Customization => "shamir"u8;

    /// <param name="from">An even number of bytes, 16 to 256.</param>
    public static void Encrypt(ReadOnlySpan<byte> from, ReadOnlySpan<byte> passphrase, ShareSetParameters set, Span<byte> to) =>
        Run(from, passphrase, set, to, backwards: false);

    /// <inheritdoc cref="Encrypt"/>
    public static void Decrypt(ReadOnlySpan<byte> from, ReadOnlySpan<byte> passphrase, ShareSetParameters set, Span<byte> to) =>
        Run(from, passphrase, set, to, backwards: true);

    private static void Run(ReadOnlySpan<byte> from, ReadOnlySpan<byte> passphrase, ShareSetParameters set, Span<byte> to, bool backwards)
    {
        var half = from.Length / 2;
        var prefix = set.Extendable ? 0 : Customization.Length + sizeof(ushort);
        using var working = new SecretBuffer((2 * half) + half + 1 + passphrase.Length + prefix + half);
        var rest = working.DangerousSpan;
        var left = Take(ref rest, half);
        var right = Take(ref rest, half);
        var output = Take(ref rest, half);
        var password = Take(ref rest, 1 + passphrase.Length);
        var salt = rest;
        from[..half].CopyTo(left);
        from[half..].CopyTo(right);
        passphrase.CopyTo(password[1..]);
        if (!set.Extendable)
        {
            Customization.CopyTo(salt);
            salt[Customization.Length] = (byte)(set.Identifier >> 8);
            salt[Customization.Length + 1] = (byte)set.Identifier;
        }

        for (var round = 0; round < Rounds; round++)
        {
            password[0] = (byte)(backwards ? Rounds - 1 - round : round);
            right.CopyTo(salt[prefix..]);
            Rfc2898DeriveBytes.Pbkdf2(password, salt, output, (BaseIterations / Rounds) << set.IterationExponent, HashAlgorithmName.SHA256);
            for (var i = 0; i < half; i++)
            {
                output[i] ^= left[i];
            }

            right.CopyTo(left);
            output.CopyTo(right);
        }

        right.CopyTo(to);
        left.CopyTo(to[half..]);
    }

    private static Span<byte> Take(ref Span<byte> from, int length)
    {
        var taken = from[..length];
        from = from[length..];
        return taken;
    }
}
