using System.Buffers.Binary;
using System.Text;

namespace KeyService.Crypto;

/// <summary>
/// Keys of an installation for use in memory, derived from its integrity key, which stays in the HSM: NIST SP 800-108r1, 4.1, KDF in counter
/// mode with HMAC-SHA-256, one block, so that a derived key is the HSM's MAC of one message. docs/spec/installation-keys.md.
/// <code>00000001 | label | 00 | installation id 16 | 00000100</code>
/// </summary>
public static class InstallationKeys
{
    /// <summary>Bytes of a derived key.</summary>
    public const int KeyLength = 32;

    /// <summary>Bytes of an installation's id.</summary>
    public const int InstallationIdLength = 16;

    /// <summary>Label of the key under which audit records name contexts.</summary>
    public const string ContextDigest = "keyservice/v1/context-digest";

    /// <summary>Label of the key that encrypts the seeds of second factors.</summary>
    public const string SecondFactor = "keyservice/v1/second-factor";

    private const int MaxLabelLength = 64;

    /// <summary>What the integrity key MACs to give the key for <paramref name="label"/>.</summary>
    /// <param name="label">1 to 64 characters of ASCII without U+0000; one for each use.</param>
    /// <param name="installationId">16 bytes.</param>
    /// <exception cref="ArgumentException">The label or the id is not of this form.</exception>
    public static byte[] DerivationInput(string label, ReadOnlySpan<byte> installationId)
    {
        ArgumentException.ThrowIfNullOrEmpty(label);
        if (label.Length > MaxLabelLength || !Ascii.IsValid(label) || label.Contains('\0', StringComparison.Ordinal))
        {
            throw new ArgumentException($"A label has 1 to {MaxLabelLength} characters of ASCII.", nameof(label));
        }
        if (installationId.Length != InstallationIdLength)
        {
            throw new ArgumentException($"An installation's id has {InstallationIdLength} bytes.", nameof(installationId));
        }
        byte[] input = new byte[4 + label.Length + 1 + InstallationIdLength + 4];
        BinaryPrimitives.WriteUInt32BigEndian(input, 1);
        Encoding.ASCII.GetBytes(label, input.AsSpan(4));
        installationId.CopyTo(input.AsSpan(4 + label.Length + 1));
        BinaryPrimitives.WriteUInt32BigEndian(input.AsSpan(input.Length - 4), KeyLength * 8);
        return input;
    }
}
