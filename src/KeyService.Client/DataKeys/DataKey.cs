using KeyService.Crypto;

namespace KeyService.Client;

/// <summary>A data key: wrapped, and in the clear when it was asked for so. Dispose it as soon as it is used: that zeroes it.</summary>
public sealed class DataKey : IDisposable
{
    private readonly SecretBuffer? secret;

    internal DataKey(SecretBuffer? secret, ReadOnlyMemory<byte> wrapped, string? key, string keyVersion)
    {
        this.secret = secret;
        Wrapped = wrapped;
        Key = key;
        KeyVersion = keyVersion;
    }

    /// <summary>The 32 bytes. Throws <see cref="InvalidOperationException"/> when the key was made without plaintext.</summary>
    public SecretBuffer Secret => secret ?? throw new InvalidOperationException("This data key was asked for without its plaintext.");

    /// <summary>True when the 32 bytes are here.</summary>
    public bool HasSecret => secret is not null;

    /// <summary>69 bytes (docs/spec/wrapped-data-key.md).</summary>
    public ReadOnlyMemory<byte> Wrapped { get; }

    /// <summary>Name of the key that wrapped it, when the answer names it (unwrap does).</summary>
    public string? Key { get; }

    /// <summary>16 hexadecimal digits.</summary>
    public string KeyVersion { get; }

    /// <summary>Zeroes the secret.</summary>
    public void Dispose() => secret?.Dispose();

    /// <summary>Never shows the secret.</summary>
    public override string ToString() => $"DataKey({KeyVersion})";
}

/// <summary>A data key wrapped again.</summary>
/// <param name="Wrapped">69 bytes.</param>
/// <param name="KeyVersion">The version it stands under now.</param>
/// <param name="Changed">False when it stood under the newest version before.</param>
public sealed record RewrappedDataKey(ReadOnlyMemory<byte> Wrapped, string KeyVersion, bool Changed);
