using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using KeyService.Crypto;

namespace KeyService.Client;

/// <summary>
/// Encrypts and decrypts fields in this process, under data keys that the service hands out and can call back. Tokens are of the second format
/// (docs/spec/field-token.md); tokens of the first format, made by the service, are decrypted by asking it. Thread-safe: make one for a
/// key and keep it; dispose it before the client.
/// </summary>
/// <remarks>
/// Every call names the row (<see cref="EncryptedColumn.Row(RowKey)"/>), and a token opens for that row and column only. While a data key is
/// at hand a call completes synchronously and allocates its result and nothing else.
/// </remarks>
public sealed class FieldEncryption : IAsyncDisposable
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly KeyServiceClient client;
    private readonly FieldKeys keys;

    internal FieldEncryption(KeyServiceClient client, FieldEncryptionOptions options)
    {
        this.client = client;
        keys = new FieldKeys(client, options.Checked());
    }

    internal FieldKeys Keys => keys;

    /// <summary>Bytes of the token for a plaintext of 0 bytes to 1 MiB.</summary>
    public static int TokenLength(int plaintextLength)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(plaintextLength);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(plaintextLength, FieldToken.MaxPlaintextLength);
        return plaintextLength + FieldToken.Overhead2;
    }

    /// <summary>Encrypts bytes for a binary column.</summary>
    /// <param name="row">Column and row.</param>
    /// <param name="plaintext">0 bytes to 1 MiB.</param>
    /// <param name="cancellation">Stops waiting; what was begun goes on for others.</param>
    /// <exception cref="KeyServiceException">The service refused (ACCESS_DENIED, KEY_STATE, …), or is away and no lease or grace is left.</exception>
    public ValueTask<byte[]> EncryptAsync(in RowContext row, ReadOnlyMemory<byte> plaintext, CancellationToken cancellation = default)
    {
        var length = TokenLength(plaintext.Length);
        if (keys.TryBeginEncrypt(plaintext.Length) is not { } key)
        {
            return EncryptLaterAsync(row, plaintext, cancellation);
        }
        var token = GC.AllocateUninitializedArray<byte>(length);
        Seal(key, row, plaintext.Span, token);
        return new ValueTask<byte[]>(token);
    }

    /// <summary>Encrypts bytes for a binary column; null stays null.</summary>
    /// <inheritdoc cref="EncryptAsync(in RowContext, ReadOnlyMemory{byte}, CancellationToken)"/>
    public ValueTask<byte[]?> EncryptAsync(in RowContext row, byte[]? plaintext, CancellationToken cancellation = default) =>
        plaintext is null ? default : Nullable(EncryptAsync(row, plaintext.AsMemory(), cancellation));

    /// <summary>Encrypts text for a binary column; null stays null.</summary>
    /// <exception cref="EncoderFallbackException">A lone surrogate: it is not Unicode text.</exception>
    /// <inheritdoc cref="EncryptAsync(in RowContext, ReadOnlyMemory{byte}, CancellationToken)"/>
    public ValueTask<byte[]?> EncryptAsync(in RowContext row, string? text, CancellationToken cancellation = default) =>
        text is null ? default : Nullable(EncryptEncodedAsync(row, StrictUtf8.GetBytes(text), cancellation));

    /// <summary>Encrypts into memory of the caller's: no allocation at all. Returns the bytes written, <see cref="TokenLength"/>.</summary>
    /// <param name="row">Column and row.</param>
    /// <param name="plaintext">0 bytes to 1 MiB.</param>
    /// <param name="token">At least <see cref="TokenLength"/> bytes, not overlapping <paramref name="plaintext"/>.</param>
    /// <param name="cancellation">Stops waiting.</param>
    /// <exception cref="KeyServiceException">As the others.</exception>
    public ValueTask<int> EncryptAsync(
        in RowContext row, ReadOnlyMemory<byte> plaintext, Memory<byte> token, CancellationToken cancellation = default)
    {
        var length = TokenLength(plaintext.Length);
        if (token.Length < length)
        {
            throw new ArgumentException($"The token of {plaintext.Length} bytes takes {length}.", nameof(token));
        }
        if (keys.TryBeginEncrypt(plaintext.Length) is not { } key)
        {
            return EncryptLaterAsync(row, plaintext, token, cancellation);
        }
        Seal(key, row, plaintext.Span, token.Span[..length]);
        return new ValueTask<int>(length);
    }

    /// <summary>Encrypts text for a text column, as <c>ks1.…</c> (docs/spec/field-token.md); null stays null.</summary>
    /// <exception cref="EncoderFallbackException">A lone surrogate: it is not Unicode text.</exception>
    /// <inheritdoc cref="EncryptAsync(in RowContext, ReadOnlyMemory{byte}, CancellationToken)"/>
    public async ValueTask<string?> EncryptToTextAsync(RowContext row, string? text, CancellationToken cancellation = default) =>
        text is null ? null : FieldTokenText.Format(await EncryptEncodedAsync(row, StrictUtf8.GetBytes(text), cancellation).ConfigureAwait(false));

    /// <summary>Encrypts many fields under one data key as far as its limits allow; nulls stay null. In order.</summary>
    /// <inheritdoc cref="EncryptAsync(in RowContext, ReadOnlyMemory{byte}, CancellationToken)"/>
    public async Task<byte[]?[]> EncryptManyAsync(IReadOnlyList<RowField> fields, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(fields);
        var tokens = new byte[]?[fields.Count];
        for (var i = 0; i < tokens.Length; i++)
        {
            if (fields[i].Data is { } data)
            {
                tokens[i] = await EncryptAsync(fields[i].Row, data, cancellation).ConfigureAwait(false);
            }
        }
        return tokens;
    }

    /// <summary>Decrypts a token out of a binary column.</summary>
    /// <param name="row">The column and row that it was encrypted for.</param>
    /// <param name="token">What was encrypted.</param>
    /// <param name="cancellation">Stops waiting.</param>
    /// <exception cref="KeyServiceException">
    /// DECRYPTION_FAILED: damaged, of another row or column, or no token (one answer). WRAPPED_KEY_MISSING: the table of wrapped keys lacks its
    /// row. Otherwise as <see cref="EncryptAsync(in RowContext, ReadOnlyMemory{byte}, CancellationToken)"/>.
    /// </exception>
    public ValueTask<byte[]> DecryptAsync(in RowContext row, ReadOnlyMemory<byte> token, CancellationToken cancellation = default)
    {
        if (!TryRead(token.Span, out var id, out var length))
        {
            return FieldToken.TryParse(token.Span, out _) ? AskServiceAsync(row, token, cancellation) : throw Failed();
        }
        if (keys.TryBeginDecrypt(id, length) is not { } key)
        {
            return DecryptLaterAsync(row, token, id, length, cancellation);
        }
        return new ValueTask<byte[]>(Open(key, row, token.Span, length) ?? throw Failed());
    }

    /// <summary>Decrypts a token out of a binary column; null stays null.</summary>
    /// <inheritdoc cref="DecryptAsync(in RowContext, ReadOnlyMemory{byte}, CancellationToken)"/>
    public ValueTask<byte[]?> DecryptAsync(in RowContext row, byte[]? token, CancellationToken cancellation = default) =>
        token is null ? default : Nullable(DecryptAsync(row, token.AsMemory(), cancellation));

    /// <summary>Decrypts a token out of a binary column into text; null stays null.</summary>
    /// <inheritdoc cref="DecryptAsync(in RowContext, ReadOnlyMemory{byte}, CancellationToken)"/>
    public async ValueTask<string?> DecryptToTextAsync(RowContext row, byte[]? token, CancellationToken cancellation = default) =>
        token is null ? null : ToText(await DecryptAsync(row, token.AsMemory(), cancellation).ConfigureAwait(false));

    /// <summary>Decrypts a token out of a text column (<c>ks1.…</c>) into text; null stays null.</summary>
    /// <inheritdoc cref="DecryptAsync(in RowContext, ReadOnlyMemory{byte}, CancellationToken)"/>
    public async ValueTask<string?> DecryptToTextAsync(RowContext row, string? token, CancellationToken cancellation = default)
    {
        if (token is null)
        {
            return null;
        }
        return FieldTokenText.TryParse(token, out var bytes)
            ? ToText(await DecryptAsync(row, bytes.AsMemory(), cancellation).ConfigureAwait(false))
            : throw Failed();
    }

    /// <summary>Decrypts many tokens, each with a plaintext or an error of its own, in order. A service that is away still throws.</summary>
    /// <exception cref="KeyServiceException">What concerns all of them: the service is away, or the caller is refused.</exception>
    public async Task<RowFieldResult[]> DecryptManyAsync(IReadOnlyList<RowField> fields, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(fields);
        var results = new RowFieldResult[fields.Count];
        for (var i = 0; i < results.Length; i++)
        {
            if (fields[i].Data is not { } token)
            {
                continue;
            }
            try
            {
                results[i] = new RowFieldResult(await DecryptAsync(fields[i].Row, token, cancellation).ConfigureAwait(false), null);
            }
            catch (KeyServiceException e) when (e.Reason is "DECRYPTION_FAILED" or ClientReason.WrappedKeyMissing)
            {
                results[i] = new RowFieldResult(null, e.Reason);
            }
        }
        return results;
    }

    /// <summary>Zeroes the data keys, when the last field under way is done, and reports what was done with them (5 seconds at most).</summary>
    public ValueTask DisposeAsync() => keys.DisposeAsync();

    private static bool TryRead(ReadOnlySpan<byte> token, out UInt128 id, out int length)
    {
        if (FieldToken.TryParse(token, out var parsed) && parsed.Format == FieldToken.Format2)
        {
            id = BinaryPrimitives.ReadUInt128BigEndian(parsed.DataKeyId);
            length = parsed.PlaintextLength;
            return true;
        }
        id = default;
        length = 0;
        return false;
    }

    // Ends the key's use on every way out.
    [SkipLocalsInit]
    private static void Seal(FieldKey key, in RowContext row, ReadOnlySpan<byte> plaintext, Span<byte> token)
    {
        try
        {
            Span<byte> buffer = stackalloc byte[EncryptionContext.MaxEncodedLength];
            key.Encrypt(row.Encode(buffer), plaintext, token);
        }
        finally
        {
            key.End();
        }
    }

    [SkipLocalsInit]
    private static byte[]? Open(FieldKey key, in RowContext row, ReadOnlySpan<byte> token, int length)
    {
        try
        {
            var plaintext = GC.AllocateUninitializedArray<byte>(length);
            Span<byte> buffer = stackalloc byte[EncryptionContext.MaxEncodedLength];
            return key.TryDecrypt(row.Encode(buffer), token, plaintext) ? plaintext : null;
        }
        finally
        {
            key.End();
        }
    }

    private async ValueTask<byte[]> EncryptLaterAsync(RowContext row, ReadOnlyMemory<byte> plaintext, CancellationToken cancellation)
    {
        var token = new byte[TokenLength(plaintext.Length)];
        await EncryptLaterAsync(row, plaintext, token, cancellation).ConfigureAwait(false);
        return token;
    }

    private async ValueTask<int> EncryptLaterAsync(
        RowContext row, ReadOnlyMemory<byte> plaintext, Memory<byte> token, CancellationToken cancellation)
    {
        var key = await keys.BeginEncryptAsync(plaintext.Length, cancellation).ConfigureAwait(false);
        var length = TokenLength(plaintext.Length);
        Seal(key, row, plaintext.Span, token.Span[..length]);
        return length;
    }

    private async ValueTask<byte[]> EncryptEncodedAsync(RowContext row, byte[] text, CancellationToken cancellation)
    {
        try
        {
            return await EncryptAsync(row, text.AsMemory(), cancellation).ConfigureAwait(false);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(text);
        }
    }

    private async ValueTask<byte[]> DecryptLaterAsync(
        RowContext row, ReadOnlyMemory<byte> token, UInt128 id, int length, CancellationToken cancellation)
    {
        var key = await keys.BeginDecryptAsync(id, length, cancellation).ConfigureAwait(false);
        return Open(key, row, token.Span, length) ?? throw Failed();
    }

    private async ValueTask<byte[]> AskServiceAsync(RowContext row, ReadOnlyMemory<byte> token, CancellationToken cancellation)
    {
        var field = await client.Cipher.DecryptAsync(row.ToEncryptionContext(), token, cancellation).ConfigureAwait(false);
        return field.Plaintext.ToArray();
    }

    private static async ValueTask<byte[]?> Awaited(ValueTask<byte[]> bytes) => await bytes.ConfigureAwait(false);

    private static ValueTask<byte[]?> Nullable(ValueTask<byte[]> bytes) =>
        bytes.IsCompletedSuccessfully ? new ValueTask<byte[]?>(bytes.Result) : Awaited(bytes);

    private static string ToText(byte[] plaintext)
    {
        try
        {
            return StrictUtf8.GetString(plaintext);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(plaintext);
        }
    }

    private static KeyServiceException Failed() => new(
        "DECRYPTION_FAILED", "The field does not open: it is damaged, or belongs to another row, column or key.",
        "Check that the row and column are those it was encrypted for; damaged data has to come from another copy.");
}
