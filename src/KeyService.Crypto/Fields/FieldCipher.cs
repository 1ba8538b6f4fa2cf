using System.Security.Cryptography;

namespace KeyService.Crypto;

/// <summary>
/// Makes and opens field tokens under one 32-byte key: the service's bulk key of a key version, or a data key of the SDK.
/// docs/spec/field-token.md. Thread-safe: every call rents a state of its own (the contexts of libcrypto are not thread-safe) and
/// returns it; after the first calls nothing is allocated.
/// </summary>
public sealed class FieldCipher : IDisposable
{
    private readonly Lock _gate = new();
    private readonly SecretBuffer _key;
    private readonly byte[] _header;
    private readonly byte[] _aadPrefix;
    private readonly FieldCipherState?[] _idle = new FieldCipherState?[IdleStates];
    private volatile bool _disposed;

    // A power of two. More threads than this at one moment make states that are thrown away afterwards.
    private const int IdleStates = 64;

    /// <summary>A cipher for tokens of the first format, under the bulk key of <paramref name="versionId"/>.</summary>
    /// <param name="key">32 bytes; copied.</param>
    /// <param name="versionId">Not zero.</param>
    public FieldCipher(SecretBuffer key, KeyVersionId versionId)
        : this(key, FieldTokenFormat.BulkKey, AadPurpose.FieldToken, versionId, [])
    {
    }

    /// <summary>A cipher for tokens of the second format, under a data key.</summary>
    /// <param name="key">32 bytes; copied.</param>
    /// <param name="dataKeyId">16 bytes.</param>
    public FieldCipher(SecretBuffer key, ReadOnlySpan<byte> dataKeyId)
        : this(key, FieldTokenFormat.DataKey, AadPurpose.FieldTokenDataKey, KeyVersionId.None, dataKeyId)
    {
    }

    private FieldCipher(SecretBuffer key, FieldTokenFormat format, AadPurpose purpose, KeyVersionId versionId, ReadOnlySpan<byte> dataKeyId)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentOutOfRangeException.ThrowIfNotEqual(key.Length, XAes256Gcm.KeyLength, nameof(key));
        Span<byte> prefix = stackalloc byte[AssociatedData.MaxLength - EncryptionContext.MaxEncodedLength];
        int length = AssociatedData.WritePrefix(prefix, purpose, (byte)format, versionId, dataKeyId);
        _aadPrefix = prefix[..length].ToArray();
        if (format == FieldTokenFormat.BulkKey)
        {
            _header = new byte[1 + KeyVersionId.Length];
            versionId.WriteTo(_header.AsSpan(1));
        }
        else
        {
            _header = [0, .. dataKeyId];
        }
        _header[0] = (byte)format;
        Format = format;
        _key = SecretBuffer.CopyOf(key.DangerousSpan);
    }

    /// <summary>The format this cipher makes and opens.</summary>
    public FieldTokenFormat Format { get; }

    private int Overhead => _header.Length + XAes256Gcm.NonceLength + XAes256Gcm.TagLength;

    /// <summary>Bytes of the token for a plaintext of 0 bytes to 1 MiB.</summary>
    public int TokenLength(int plaintextLength)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(plaintextLength);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(plaintextLength, FieldToken.MaxPlaintextLength);
        return plaintextLength + Overhead;
    }

    /// <summary>Encrypts one field under a fresh random nonce.</summary>
    /// <param name="context">Must be named again, byte for byte, to decrypt.</param>
    /// <param name="plaintext">0 bytes to 1 MiB. Does not overlap <paramref name="token"/>.</param>
    /// <param name="token"><see cref="TokenLength"/> bytes.</param>
    public void Encrypt(EncryptionContext context, ReadOnlySpan<byte> plaintext, Span<byte> token) => Encrypt((CanonicalContext)context, plaintext, token);

    /// <inheritdoc cref="Encrypt(EncryptionContext, ReadOnlySpan{byte}, Span{byte})"/>
    public void Encrypt(CanonicalContext context, ReadOnlySpan<byte> plaintext, Span<byte> token)
    {
        if (token.Length != TokenLength(plaintext.Length))
        {
            throw new ArgumentException($"The token of {plaintext.Length} bytes takes {TokenLength(plaintext.Length)}.", nameof(token));
        }
        FieldCipherState state = Rent();
        try
        {
            _header.CopyTo(token);
            state.Encrypt(context, plaintext, token[_header.Length..]);
        }
        finally
        {
            Return(state);
        }
    }

    /// <summary>Decrypts one field token.</summary>
    /// <param name="context">The context it was encrypted with.</param>
    /// <param name="token">What <see cref="Encrypt"/> made.</param>
    /// <param name="plaintext">As many bytes as the token's plaintext (<see cref="FieldToken.PlaintextLength"/>).</param>
    /// <returns>False, and a zeroed plaintext, for a token that is malformed, damaged, of another key or of another context: one answer for all.</returns>
    /// <exception cref="ArgumentException">The plaintext buffer is not as long as the token says.</exception>
    public bool TryDecrypt(EncryptionContext context, ReadOnlySpan<byte> token, Span<byte> plaintext) =>
        TryDecrypt((CanonicalContext)context, token, plaintext);

    /// <inheritdoc cref="TryDecrypt(EncryptionContext, ReadOnlySpan{byte}, Span{byte})"/>
    public bool TryDecrypt(CanonicalContext context, ReadOnlySpan<byte> token, Span<byte> plaintext)
    {
        if (!FieldToken.TryParse(token, out FieldToken parsed) || !token.StartsWith(_header))
        {
            CryptographicOperations.ZeroMemory(plaintext);
            return false;
        }
        if (plaintext.Length != parsed.PlaintextLength)
        {
            throw new ArgumentException($"The plaintext of this token has {parsed.PlaintextLength} bytes.", nameof(plaintext));
        }
        FieldCipherState state = Rent();
        try
        {
            return state.Decrypt(context, parsed, plaintext);
        }
        finally
        {
            Return(state);
        }
    }

    /// <summary>Zeroes the key. States in use by other threads are disposed of when these return them.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_disposed)
            {
                return;
            }
            _disposed = true;
            _key.Dispose();
        }
        Drain();
    }

    private FieldCipherState Rent()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        int start = Environment.CurrentManagedThreadId;
        for (int i = 0; i < IdleStates; i++)
        {
            ref FieldCipherState? slot = ref _idle[(start + i) & (IdleStates - 1)];
            if (slot is not null && Interlocked.Exchange(ref slot, null) is { } state)
            {
                return state;
            }
        }
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return new FieldCipherState(_key.DangerousSpan, _aadPrefix);
        }
    }

    private void Return(FieldCipherState state)
    {
        int start = Environment.CurrentManagedThreadId;
        for (int i = 0; i < IdleStates; i++)
        {
            ref FieldCipherState? slot = ref _idle[(start + i) & (IdleStates - 1)];
            if (slot is null && Interlocked.CompareExchange(ref slot, state, null) is null)
            {
                // Dispose may have drained the slots just before.
                if (_disposed)
                {
                    Drain();
                }
                return;
            }
        }
        state.Dispose();
    }

    private void Drain()
    {
        for (int i = 0; i < IdleStates; i++)
        {
            Interlocked.Exchange(ref _idle[i], null)?.Dispose();
        }
    }
}
