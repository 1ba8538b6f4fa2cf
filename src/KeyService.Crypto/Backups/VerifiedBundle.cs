using System.Security.Cryptography;

namespace KeyService.Crypto.Backups;

/// <summary>What a bundle was found to be that was read to its end and verified. Only the reader makes one.</summary>
public sealed class VerifiedBundle
{
    private readonly byte[] _digest;
    private readonly byte[] _signingKey;

    internal VerifiedBundle(
        BundleHeader header, ulong keyCount, ulong versionCount, ulong omittedCount, long? newestVersion, byte[] digest, byte[] signingKey, long length)
    {
        Header = header;
        KeyCount = keyCount;
        VersionCount = versionCount;
        OmittedCount = omittedCount;
        NewestVersionUnixNanoseconds = newestVersion;
        _digest = digest;
        _signingKey = signingKey;
        Length = length;
    }

    /// <summary>What stood first.</summary>
    public BundleHeader Header { get; }

    /// <summary>Keys in it.</summary>
    public ulong KeyCount { get; }

    /// <summary>Versions in it.</summary>
    public ulong VersionCount { get; }

    /// <summary>Versions that its writer had to leave out.</summary>
    public ulong OmittedCount { get; }

    /// <summary>When the youngest version in it was made, nanoseconds since 1970 UTC; null when there is none.</summary>
    public long? NewestVersionUnixNanoseconds { get; }

    /// <summary>SHA-256 of everything before the signature, 32 bytes.</summary>
    public ReadOnlySpan<byte> Digest => _digest;

    /// <summary>SubjectPublicKeyInfo of who signed, 91 bytes.</summary>
    public ReadOnlySpan<byte> SigningKey => _signingKey;

    /// <summary>Bytes of the bundle.</summary>
    public long Length { get; }

    /// <summary>SHA-256 of the signing key, 64 hexadecimal digits: what people compare.</summary>
    public string SigningKeyFingerprint => FingerprintOf(_signingKey);

    /// <summary>The fingerprint of a signing key.</summary>
    public static string FingerprintOf(ReadOnlySpan<byte> signingKey) => Convert.ToHexStringLower(SHA256.HashData(signingKey));

    /// <summary>Reads a bundle to its end.</summary>
    /// <param name="source">The bundle, to its end.</param>
    /// <param name="signingKey">Who must have signed (SubjectPublicKeyInfo); empty: whoever the bundle says.</param>
    /// <param name="cancellationToken">Cancels reading.</param>
    /// <exception cref="BundleException">It is no bundle, not whole, changed, or another key's.</exception>
    public static async Task<VerifiedBundle> ReadAsync(
        Stream source, ReadOnlyMemory<byte> signingKey = default, CancellationToken cancellationToken = default)
    {
        using BundleReader reader = await BundleReader.OpenAsync(source, cancellationToken).ConfigureAwait(false);
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false) != BundleItem.End)
        {
        }
        reader.Verified!.DemandSigner(signingKey.Span);
        return reader.Verified;
    }

    /// <summary>Holds the bundle to the key that must have signed it.</summary>
    /// <param name="signingKey">SubjectPublicKeyInfo; empty demands nothing.</param>
    /// <exception cref="BundleException">OtherSigningKey.</exception>
    public void DemandSigner(ReadOnlySpan<byte> signingKey)
    {
        if (!signingKey.IsEmpty && !signingKey.SequenceEqual(_signingKey))
        {
            throw new BundleException(BundleFault.OtherSigningKey,
                $"The bundle is signed by another key than the one demanded: by {SigningKeyFingerprint}.");
        }
    }
}
