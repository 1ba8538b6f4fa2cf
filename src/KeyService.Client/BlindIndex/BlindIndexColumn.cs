using System.Security.Cryptography;
using System.Text;

namespace KeyService.Client;

/// <summary>The blind index of one column: from <see cref="BlindIndex.Column"/>. Keep it, like the declaration of the column.</summary>
public sealed class BlindIndexColumn
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly BlindIndex index;
    private readonly Func<string, string> normalise;

    internal BlindIndexColumn(BlindIndex index, EncryptedColumn column, int length, Func<string, string> normalise)
    {
        this.index = index;
        this.normalise = normalise;
        Column = column;
        Length = length;
    }

    /// <summary>The column whose values are found.</summary>
    public EncryptedColumn Column { get; }

    /// <summary>Bytes of an index.</summary>
    public int Length { get; }

    /// <summary>The index of bytes as they are.</summary>
    /// <exception cref="KeyServiceException">WRAPPED_KEY_MISSING; the service refused, or is away and no lease or grace is left.</exception>
    public ValueTask<byte[]> ComputeAsync(ReadOnlyMemory<byte> value, CancellationToken cancellation = default) =>
        index.ComputeAsync(this, value, cancellation);

    /// <summary>
    /// The index of a text, normalised, in UTF-8. Null for null, and for a text of which normalisation leaves nothing: it would be equal
    /// to every other such text. In SQL nothing is equal to NULL, so it is found by nobody.
    /// </summary>
    /// <inheritdoc cref="ComputeAsync(ReadOnlyMemory{byte}, CancellationToken)"/>
    public async ValueTask<byte[]?> ComputeAsync(string? value, CancellationToken cancellation = default)
    {
        if (value is null || normalise(value) is not { Length: > 0 } normalised)
        {
            return null;
        }
        var bytes = StrictUtf8.GetBytes(normalised);
        try
        {
            return await index.ComputeAsync(this, bytes, cancellation).ConfigureAwait(false);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }

    /// <summary>As <see cref="ComputeAsync(string?, CancellationToken)"/>, in lower-case hexadecimal, for a text column.</summary>
    public async ValueTask<string?> ComputeHexAsync(string? value, CancellationToken cancellation = default) =>
        await ComputeAsync(value, cancellation).ConfigureAwait(false) is { } bytes ? Convert.ToHexStringLower(bytes) : null;
}
