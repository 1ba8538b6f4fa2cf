using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;

namespace KeyService.Crypto.Backups;

/// <summary>
/// Writes a bundle into a stream, entry by entry, with 64 KiB of memory however many there are. The order is the format's: integrity key, then each key
/// (names ascending) with its versions (ids ascending), then <see cref="SealAsync"/> and, with the signature, <see cref="CompleteAsync"/>. Not thread safe.
/// </summary>
public sealed class BundleWriter : IDisposable
{
    private const int BufferLength = 64 * 1024;

    private readonly Stream _destination;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly byte[] _lastName = new byte[BundleFormat.MaxNameLength];
    private byte[]? _buffer = ArrayPool<byte>.Shared.Rent(BufferLength);
    private int _used;
    private int _lastNameLength;
    private KeyVersionId _lastVersion;
    private Stage _stage = Stage.IntegrityKey;
    private byte[]? _digest;
    private byte[]? _signingKey;

    /// <param name="destination">Written to only; neither flushed to a disk nor closed.</param>
    /// <param name="header">What stands first.</param>
    public BundleWriter(Stream destination, BundleHeader header)
    {
        ArgumentNullException.ThrowIfNull(destination);
        ArgumentNullException.ThrowIfNull(header);
        _destination = destination;
        header.Bytes.CopyTo(Buffer);
        _used = BundleFormat.HeaderLength;
    }

    private enum Stage
    {
        IntegrityKey,
        Keys,
        Sealed,
        Complete,
    }

    /// <summary>Keys written.</summary>
    public ulong KeyCount { get; private set; }

    /// <summary>Versions written.</summary>
    public ulong VersionCount { get; private set; }

    /// <summary>SHA-256 of everything before the signature, 32 bytes; the bundle's name in the chain of bundles.</summary>
    /// <exception cref="InvalidOperationException">Not sealed yet.</exception>
    public byte[] Digest => _digest ?? throw new InvalidOperationException("The bundle is not sealed yet.");

    private Span<byte> Buffer => _buffer ?? throw new ObjectDisposedException(nameof(BundleWriter));

    /// <summary>The integrity key under the backup key: the first entry, exactly once.</summary>
    /// <param name="blob">41 bytes.</param>
    /// <param name="checkValue">32 bytes.</param>
    /// <param name="cancellationToken">Cancels writing to the stream.</param>
    public ValueTask WriteIntegrityKeyAsync(ReadOnlySpan<byte> blob, ReadOnlySpan<byte> checkValue, CancellationToken cancellationToken = default)
    {
        Demand(Stage.IntegrityKey);
        if (blob.Length != BundleFormat.KeyBlobLength || blob[0] != BundleFormat.AesKeyWrap || checkValue.Length != BundleFormat.IntegrityCheckLength)
        {
            throw new ArgumentException("A wrapped integrity key has 41 bytes and begins with 01; its check value has 32.");
        }
        Span<byte> body = Body();
        blob.CopyTo(body);
        checkValue.CopyTo(body[BundleFormat.KeyBlobLength..]);
        _stage = Stage.Keys;
        return AddAsync(BundleEntryType.IntegrityKey, BundleFormat.IntegrityKeyLength, cancellationToken);
    }

    /// <summary>A key. Its versions follow.</summary>
    /// <param name="name">Greater than the name before, by bytes.</param>
    /// <param name="attributes">Ids ascending; created, purpose, primary version and rotation period at least.</param>
    /// <param name="cancellationToken">Cancels writing to the stream.</param>
    /// <exception cref="ArgumentException">The name or the attributes break a rule, or the order is another.</exception>
    public ValueTask WriteKeyAsync(string name, ReadOnlySpan<BundleAttribute> attributes, CancellationToken cancellationToken = default)
    {
        Demand(Stage.Keys);
        Span<byte> body = Body();
        int length = BundleKey.Write(body, name, attributes);
        ReadOnlySpan<byte> bytes = body.Slice(1, body[0]);
        if (bytes.SequenceCompareTo(_lastName.AsSpan(0, _lastNameLength)) <= 0)
        {
            throw new ArgumentException("Keys stand in ascending order of their names.", nameof(name));
        }
        bytes.CopyTo(_lastName);
        _lastNameLength = bytes.Length;
        _lastVersion = KeyVersionId.None;
        KeyCount++;
        return AddAsync(BundleEntryType.Key, length, cancellationToken);
    }

    /// <summary>A version of the key that was written last.</summary>
    /// <param name="id">Greater than the one before.</param>
    /// <param name="attributes">Ids ascending; created, state and wraps reserved at least.</param>
    /// <param name="material">Null when the version's keys are destroyed.</param>
    /// <param name="cancellationToken">Cancels writing to the stream.</param>
    /// <exception cref="ArgumentException">Attributes or material break a rule, or the order is another.</exception>
    public ValueTask WriteVersionAsync(
        KeyVersionId id, ReadOnlySpan<BundleAttribute> attributes, BundleMaterial? material, CancellationToken cancellationToken = default)
    {
        Demand(Stage.Keys);
        if (KeyCount == 0 || id <= _lastVersion)
        {
            throw new ArgumentException("Versions stand behind their key, in ascending order of their ids.", nameof(id));
        }
        int length = BundleVersion.Write(Body(), id, attributes, material);
        _lastVersion = id;
        VersionCount++;
        return AddAsync(BundleEntryType.Version, length, cancellationToken);
    }

    /// <summary>Ends the entries.</summary>
    /// <param name="omitted">Versions that belong here and were left out, because their rows did not verify or no such wrap of them is there.</param>
    /// <param name="signingKey">SubjectPublicKeyInfo of the P-256 key that signs, 91 bytes.</param>
    /// <param name="cancellationToken">Cancels writing to the stream.</param>
    /// <returns>The 32 bytes to be signed, ECDSA over them as a digest.</returns>
    public async ValueTask<byte[]> SealAsync(ulong omitted, ReadOnlyMemory<byte> signingKey, CancellationToken cancellationToken = default)
    {
        Demand(Stage.Keys);
        if (!BundleSignature.IsSigningKey(signingKey.Span))
        {
            throw new ArgumentException("The signing key is a P-256 SubjectPublicKeyInfo of 91 bytes.", nameof(signingKey));
        }
        Span<byte> body = Body();
        BinaryPrimitives.WriteUInt64BigEndian(body, KeyCount);
        BinaryPrimitives.WriteUInt64BigEndian(body[8..], VersionCount);
        BinaryPrimitives.WriteUInt64BigEndian(body[16..], omitted);
        signingKey.Span.CopyTo(body[24..]);
        Head(BundleEntryType.Trailer, BundleFormat.TrailerLength);
        _used += BundleFormat.TrailerLength - BundleFormat.SignatureLength;
        await FlushAsync(cancellationToken).ConfigureAwait(false);
        _digest = _hash.GetHashAndReset();
        _signingKey = signingKey.ToArray();
        _stage = Stage.Sealed;
        return BundleSignature.Signed(_digest);
    }

    /// <summary>Writes the signature, with which the bundle is whole.</summary>
    /// <param name="signature">r and s, 64 bytes, over what <see cref="SealAsync"/> returned.</param>
    /// <param name="cancellationToken">Cancels writing to the stream.</param>
    /// <exception cref="ArgumentException">It is not the signing key's signature.</exception>
    public async ValueTask CompleteAsync(ReadOnlyMemory<byte> signature, CancellationToken cancellationToken = default)
    {
        Demand(Stage.Sealed);
        byte[] normal = signature.Length == BundleFormat.SignatureLength ? BundleSignature.Normalise(signature.Span) : [];
        if (normal.Length == 0 || !BundleSignature.Verifies(_signingKey, Digest, normal))
        {
            throw new ArgumentException("The signature is not that of the signing key.", nameof(signature));
        }
        await _destination.WriteAsync(normal, cancellationToken).ConfigureAwait(false);
        _stage = Stage.Complete;
    }

    /// <summary>Gives the memory back. What was not completed is no bundle.</summary>
    public void Dispose()
    {
        if (_buffer is { } buffer)
        {
            _buffer = null;
            ArrayPool<byte>.Shared.Return(buffer);
            _hash.Dispose();
        }
    }

    private void Demand(Stage stage)
    {
        ObjectDisposedException.ThrowIf(_buffer is null, this);
        if (_stage != stage)
        {
            throw new InvalidOperationException($"The bundle is at another place than this call: {_stage}.");
        }
    }

    private Span<byte> Body() => Buffer.Slice(_used + BundleFormat.EntryHeaderLength, BundleFormat.MaxBodyLength);

    private void Head(BundleEntryType type, int length)
    {
        Buffer[_used] = (byte)type;
        BinaryPrimitives.WriteUInt16BigEndian(Buffer[(_used + 1)..], (ushort)length);
        _used += BundleFormat.EntryHeaderLength;
    }

    private ValueTask AddAsync(BundleEntryType type, int length, CancellationToken cancellationToken)
    {
        Head(type, length);
        _used += length;
        return BufferLength - _used < BundleFormat.EntryHeaderLength + BundleFormat.MaxBodyLength ? FlushAsync(cancellationToken) : ValueTask.CompletedTask;
    }

    private async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        byte[] buffer = _buffer!;
        _hash.AppendData(buffer, 0, _used);
        await _destination.WriteAsync(buffer.AsMemory(0, _used), cancellationToken).ConfigureAwait(false);
        _used = 0;
    }
}
