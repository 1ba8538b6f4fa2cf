using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;

namespace KeyService.Crypto;

/// <summary>
/// What a ciphertext is about: an immutable map of string to string in its canonical bytes. docs/spec/context.md.
/// <code>count 2 | (key length 2 | key | value length 2 | value) for each pair, keys ascending by unsigned bytes; integers big-endian</code>
/// At most 16 pairs and 4,096 bytes encoded; keys 1 to 255 bytes, values 0 to 1,024 bytes of strict UTF-8 without U+0000 and U+FFFD; no key twice.
/// Nothing is normalised: two texts that look alike and differ in bytes are different contexts. Visible in archives and logs: no patient data.
/// </summary>
public sealed class EncryptionContext : IEquatable<EncryptionContext>
{
    /// <summary>Pairs at most.</summary>
    public const int MaxPairs = 16;

    /// <summary>Bytes of the encoded form at most.</summary>
    public const int MaxEncodedLength = 4096;

    /// <summary>Bytes of a key at most; at least 1.</summary>
    public const int MaxKeyLength = 255;

    /// <summary>Bytes of a value at most; may be 0.</summary>
    public const int MaxValueLength = 1024;

    private readonly byte[] _encoded;
    private IReadOnlyList<KeyValuePair<string, string>>? _pairs;

    private EncryptionContext(byte[] encoded) => _encoded = encoded;

    /// <summary>No pairs: the two bytes 00 00.</summary>
    public static EncryptionContext Empty { get; } = new([0, 0]);

    /// <summary>The canonical bytes.</summary>
    public ReadOnlySpan<byte> Encoded => _encoded;

    /// <summary>Pairs in canonical order.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Pairs => _pairs ??= Decode(_encoded);

    /// <summary>The value of a key, or null.</summary>
    public string? this[string key]
    {
        get
        {
            foreach (KeyValuePair<string, string> pair in Pairs)
            {
                if (string.Equals(pair.Key, key, StringComparison.Ordinal))
                {
                    return pair.Value;
                }
            }
            return null;
        }
    }

    /// <summary>Makes a context of pairs in any order.</summary>
    /// <exception cref="InvalidContextException">A rule is broken.</exception>
    [SkipLocalsInit]
    public static EncryptionContext Create(IEnumerable<KeyValuePair<string, string>> pairs)
    {
        ArgumentNullException.ThrowIfNull(pairs);
        var builder = new ContextEncoder(stackalloc byte[MaxEncodedLength], stackalloc ContextEncoder.Entry[MaxPairs]);
        foreach ((string key, string value) in pairs)
        {
            builder.Add(key, value);
        }
        return builder.Count == 0 ? Empty : new EncryptionContext(builder.Finish());
    }

    /// <summary>Makes a context of one pair.</summary>
    /// <exception cref="InvalidContextException">A rule is broken.</exception>
    public static EncryptionContext Create(string key, string value) => Create([new(key, value)]);

    /// <summary>Accepts canonical bytes only: whatever parses is <see cref="Encoded"/> byte for byte.</summary>
    public static bool TryParse(ReadOnlySpan<byte> encoded, out EncryptionContext context)
    {
        context = Empty;
        if (!ContextDecoder.IsCanonical(encoded))
        {
            return false;
        }
        if (encoded.Length > Empty._encoded.Length)
        {
            context = new EncryptionContext(encoded.ToArray());
        }
        return true;
    }

    /// <summary>The pairs of both.</summary>
    /// <exception cref="InvalidContextException">A key stands in both, or the whole is too large.</exception>
    [SkipLocalsInit]
    public EncryptionContext Merge(EncryptionContext other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (ReferenceEquals(other, Empty))
        {
            return this;
        }
        if (ReferenceEquals(this, Empty))
        {
            return other;
        }
        var builder = new ContextEncoder(stackalloc byte[MaxEncodedLength], stackalloc ContextEncoder.Entry[MaxPairs]);
        builder.AddAll(_encoded);
        builder.AddAll(other._encoded);
        return new EncryptionContext(builder.Finish());
    }

    /// <summary>SHA-256 of the canonical bytes, as audit records carry it; 32 bytes.</summary>
    public byte[] ComputeDigest() => SHA256.HashData(_encoded);

    /// <inheritdoc/>
    public bool Equals(EncryptionContext? other) => other is not null && _encoded.AsSpan().SequenceEqual(other._encoded);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as EncryptionContext);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        hash.AddBytes(_encoded);
        return hash.ToHashCode();
    }

    /// <summary>The number of pairs only.</summary>
    public override string ToString() => $"EncryptionContext({Pairs.Count})";

    private static KeyValuePair<string, string>[] Decode(ReadOnlySpan<byte> encoded)
    {
        var reader = new ContextDecoder(encoded);
        var pairs = new KeyValuePair<string, string>[reader.Count];
        for (int i = 0; i < pairs.Length; i++)
        {
            reader.Next(out ReadOnlySpan<byte> key, out ReadOnlySpan<byte> value);
            pairs[i] = new(Encoding.UTF8.GetString(key), Encoding.UTF8.GetString(value));
        }
        return pairs;
    }
}
