using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;

namespace KeyService.Crypto.Backups;

/// <summary>What <see cref="BundleReader.ReadAsync"/> came to.</summary>
public enum BundleItem
{
    /// <summary>The bundle is whole and its signature is the signing key's: <see cref="BundleReader.Verified"/>.</summary>
    End,

    /// <summary>A key: <see cref="BundleReader.Key"/>.</summary>
    Key,

    /// <summary>A version of the last key: <see cref="BundleReader.Version"/>.</summary>
    Version,
}

/// <summary>
/// Reads a bundle from a stream, entry by entry, with 64 KiB of memory. It accepts canonical bytes only. What it gives before <see cref="BundleItem.End"/>
/// is not verified yet: use nothing of it before. Not thread safe.
/// </summary>
public sealed class BundleReader : IDisposable
{
    private const int BufferLength = 64 * 1024;

    private readonly Stream _source;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly byte[] _lastName = new byte[BundleFormat.MaxNameLength];
    private byte[]? _buffer = ArrayPool<byte>.Shared.Rent(BufferLength);
    private int _start;
    private int _end;
    private int _lastNameLength;
    private KeyVersionId _lastVersion;
    private ulong _keys;
    private ulong _versions;
    private long _newest = long.MinValue;
    private long _length;
    private BundleHeader? _header;

    private BundleReader(Stream source) => _source = source;

    /// <summary>Reads the header and the integrity key.</summary>
    /// <param name="source">From its position on; not closed.</param>
    /// <param name="cancellationToken">Cancels reading.</param>
    /// <exception cref="BundleException">It is no bundle, or its beginning is not whole.</exception>
    public static async Task<BundleReader> OpenAsync(Stream source, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        var reader = new BundleReader(source);
        try
        {
            await reader.FillAsync(BundleFormat.HeaderLength, cancellationToken).ConfigureAwait(false);
            reader._header = BundleHeader.Parse(reader.Ahead.Span[..Math.Min(reader.Ahead.Length, BundleFormat.HeaderLength)]);
            reader.Take(BundleFormat.HeaderLength);
            await reader.ReadIntegrityKeyAsync(cancellationToken).ConfigureAwait(false);
            return reader;
        }
        catch
        {
            reader.Dispose();
            throw;
        }
    }

    /// <summary>What stood first.</summary>
    public BundleHeader Header => _header!;

    /// <summary>The integrity key; a copy, good as long as the reader.</summary>
    public BundleIntegrityKey IntegrityKey { get; private set; }

    /// <summary>The key that was read last. Its bytes are good until the next read.</summary>
    public BundleKey Key { get; private set; }

    /// <summary>The version that was read last. Its bytes are good until the next read.</summary>
    public BundleVersion Version { get; private set; }

    /// <summary>What the whole bundle was found to be; null before its end.</summary>
    public VerifiedBundle? Verified { get; private set; }

    /// <summary>Bytes of the bundle that were read so far.</summary>
    public long Position => _length;

    private ReadOnlyMemory<byte> Ahead => _buffer.AsMemory(_start, _end - _start);

    /// <summary>Goes to the next entry.</summary>
    /// <exception cref="BundleException">Truncated, Damaged, SignatureInvalid.</exception>
    public async ValueTask<BundleItem> ReadAsync(CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_buffer is null, this);
        if (Verified is not null)
        {
            return BundleItem.End;
        }
        (BundleEntryType type, ReadOnlyMemory<byte> body) = await NextAsync(cancellationToken).ConfigureAwait(false);
        switch (type)
        {
            case BundleEntryType.Key:
                TakeKey(body);
                return BundleItem.Key;
            case BundleEntryType.Version:
                TakeVersion(body);
                return BundleItem.Version;
            case BundleEntryType.Trailer:
                Verified = TakeTrailer(body);
                await DemandEndAsync(cancellationToken).ConfigureAwait(false);
                return BundleItem.End;
            default:
                throw BundleException.Damaged("an entry's type is not known or stands in the wrong place");
        }
    }

    /// <summary>Gives the memory back.</summary>
    public void Dispose()
    {
        if (_buffer is { } buffer)
        {
            _buffer = null;
            ArrayPool<byte>.Shared.Return(buffer);
            _hash.Dispose();
        }
    }

    private async ValueTask ReadIntegrityKeyAsync(CancellationToken cancellationToken)
    {
        (BundleEntryType type, ReadOnlyMemory<byte> body) = await NextAsync(cancellationToken).ConfigureAwait(false);
        if (type != BundleEntryType.IntegrityKey || body.Length != BundleFormat.IntegrityKeyLength || body.Span[0] != BundleFormat.AesKeyWrap)
        {
            throw BundleException.Damaged("the integrity key is not its first entry");
        }
        byte[] copy = body.ToArray();
        IntegrityKey = new BundleIntegrityKey(copy.AsMemory(0, BundleFormat.KeyBlobLength), copy.AsMemory(BundleFormat.KeyBlobLength));
    }

    private void TakeKey(ReadOnlyMemory<byte> body)
    {
        if (!BundleKey.TryTake(body, out BundleKey key))
        {
            throw BundleException.Damaged("a key is not written as it must be");
        }
        if (key.NameBytes.SequenceCompareTo(_lastName.AsSpan(0, _lastNameLength)) <= 0)
        {
            throw BundleException.Damaged("its keys do not stand in ascending order");
        }
        key.NameBytes.CopyTo(_lastName);
        _lastNameLength = key.NameBytes.Length;
        _lastVersion = KeyVersionId.None;
        _keys++;
        Key = key;
    }

    private void TakeVersion(ReadOnlyMemory<byte> body)
    {
        if (!BundleVersion.TryTake(body, out BundleVersion version))
        {
            throw BundleException.Damaged("a version is not written as it must be");
        }
        if (_keys == 0 || version.Id <= _lastVersion)
        {
            throw BundleException.Damaged("its versions do not stand behind their keys in ascending order");
        }
        _lastVersion = version.Id;
        _versions++;
        _newest = Math.Max(_newest, version.Attributes[BundleAttributeId.CreatedAt] ?? long.MinValue);
        Version = version;
    }

    private VerifiedBundle TakeTrailer(ReadOnlyMemory<byte> body)
    {
        ReadOnlySpan<byte> bytes = body.Span;
        if (bytes.Length != BundleFormat.TrailerLength
            || BinaryPrimitives.ReadUInt64BigEndian(bytes) != _keys || BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]) != _versions)
        {
            throw BundleException.Damaged("its trailer counts other keys or versions than stand there");
        }
        ReadOnlySpan<byte> signingKey = bytes.Slice(24, BundleFormat.SigningKeyLength);
        if (!BundleSignature.IsSigningKey(signingKey))
        {
            throw BundleException.Damaged("its signing key is no P-256 key");
        }
        byte[] digest = _hash.GetHashAndReset();
        return BundleSignature.Verifies(signingKey, digest, bytes[^BundleFormat.SignatureLength..])
            ? new VerifiedBundle(
                Header, _keys, _versions, BinaryPrimitives.ReadUInt64BigEndian(bytes[16..]), _versions == 0 ? null : _newest, digest, signingKey.ToArray(), _length)
            : throw new BundleException(
                BundleFault.SignatureInvalid, "The bundle does not verify: it was damaged or changed, or its signature is another key's.");
    }

    private async ValueTask DemandEndAsync(CancellationToken cancellationToken)
    {
        if (await FillAsync(1, cancellationToken).ConfigureAwait(false) > 0)
        {
            Verified = null;
            throw BundleException.Damaged("something follows its end");
        }
    }

    // The bytes are good until the next fill.
    private async ValueTask<(BundleEntryType Type, ReadOnlyMemory<byte> Body)> NextAsync(CancellationToken cancellationToken)
    {
        if (await FillAsync(BundleFormat.EntryHeaderLength, cancellationToken).ConfigureAwait(false) < BundleFormat.EntryHeaderLength)
        {
            throw BundleException.Truncated("its entries");
        }
        var type = (BundleEntryType)Ahead.Span[0];
        int length = BinaryPrimitives.ReadUInt16BigEndian(Ahead.Span[1..]);
        if (length > BundleFormat.MaxBodyLength)
        {
            throw BundleException.Damaged("an entry is longer than any may be");
        }
        Take(BundleFormat.EntryHeaderLength);
        if (await FillAsync(length, cancellationToken).ConfigureAwait(false) < length)
        {
            throw BundleException.Truncated(type == BundleEntryType.Trailer ? "its trailer" : "an entry");
        }
        ReadOnlyMemory<byte> body = Ahead[..length];
        Take(length, unsigned: type == BundleEntryType.Trailer ? Math.Min(length, BundleFormat.SignatureLength) : 0);
        return (type, body);
    }

    /// <summary>Reads until <paramref name="wanted"/> bytes are ahead or the source has ended.</summary>
    /// <returns>Bytes ahead.</returns>
    private async ValueTask<int> FillAsync(int wanted, CancellationToken cancellationToken)
    {
        if (_end - _start >= wanted)
        {
            return _end - _start;
        }
        byte[] buffer = _buffer!;
        Ahead.CopyTo(buffer);
        _end -= _start;
        _start = 0;
        int read = await _source.ReadAtLeastAsync(buffer.AsMemory(_end, BufferLength - _end), wanted - _end, throwOnEndOfStream: false, cancellationToken)
            .ConfigureAwait(false);
        _end += read;
        return _end;
    }

    private void Take(int length, int unsigned = 0)
    {
        _hash.AppendData(_buffer!, _start, length - unsigned);
        _start += length;
        _length += length;
    }
}
