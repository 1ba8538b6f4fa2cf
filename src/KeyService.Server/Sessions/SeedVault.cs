using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Server.Storage;

namespace KeyService.Server.Sessions;

/// <summary>
/// Encrypts the seeds of second factors: AES-256-GCM under a key that the HSM derives from the installation's integrity key, bound to the person and the
/// time of the offer; docs/spec/second-factor.md. The key is in memory only while a seed is written or a code is checked.
/// </summary>
/// <param name="rows">Over the installation's integrity key, loaded.</param>
/// <param name="installationId">16 bytes.</param>
internal sealed class SeedVault(RowAuthenticator rows, byte[] installationId)
{
    /// <summary>Nonce, encrypted seed, tag.</summary>
    public const int Length = Aes256Gcm.NonceLength + OneTimePassword.SeedLength + Aes256Gcm.TagLength;

    private const string SeedLabel = "second-factor-seed";

    public async ValueTask<byte[]> SealAsync(ReadOnlyMemory<byte> seed, string principal, DateTimeOffset offered)
    {
        var key = await KeyAsync();
        try
        {
            var box = new byte[Length];
            var nonce = box.AsSpan(0, Aes256Gcm.NonceLength);
            RandomNumberGenerator.Fill(nonce);
            using var gcm = new Aes256Gcm(key);
            gcm.Encrypt(
                nonce, seed.Span, box.AsSpan(Aes256Gcm.NonceLength, OneTimePassword.SeedLength), box.AsSpan(Length - Aes256Gcm.TagLength), BoundTo(principal, offered));
            return box;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    /// <summary>The seed; the caller disposes of it.</summary>
    /// <exception cref="StoreTamperedException">It is not what was encrypted for this person.</exception>
    public async ValueTask<SecretBuffer> OpenAsync(ReadOnlyMemory<byte> box, string principal, DateTimeOffset offered)
    {
        if (box.Length != Length)
        {
            throw Tampered(principal);
        }

        var key = await KeyAsync();
        var seed = new SecretBuffer(OneTimePassword.SeedLength);
        try
        {
            using var gcm = new Aes256Gcm(key);
            if (gcm.Decrypt(
                box.Span[..Aes256Gcm.NonceLength], box.Span.Slice(Aes256Gcm.NonceLength, OneTimePassword.SeedLength), box.Span[^Aes256Gcm.TagLength..],
                seed.DangerousSpan, BoundTo(principal, offered)))
            {
                return seed;
            }
        }
        catch
        {
            seed.Dispose();
            throw;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }

        seed.Dispose();
        throw Tampered(principal);
    }

    private ValueTask<byte[]> KeyAsync() =>
        rows.MacAsync(InstallationKeys.DerivationInput(InstallationKeys.SecondFactor, installationId), CancellationToken.None);

    private static byte[] BoundTo(string principal, DateTimeOffset offered) =>
        RowMac.Row(SeedLabel).AddString(principal).AddInt64(UnixTime.Nanoseconds(offered)).ToArray();

    private static StoreTamperedException Tampered(string principal) =>
        new(SecondFactorTable.Name, principal, "the seed does not open");
}
