namespace KeyService.Client;

/// <summary>One field of many: where it belongs, and its plaintext or token. Null stays null.</summary>
/// <param name="Row">Column and row.</param>
/// <param name="Data">Plaintext or token; must not change until the call has answered.</param>
public readonly record struct RowField(RowContext Row, ReadOnlyMemory<byte>? Data)
{
    /// <summary>From an array; null stays null, where the conversion to memory would make it an empty value.</summary>
    /// <param name="row">Column and row.</param>
    /// <param name="data">Plaintext or token; must not change until the call has answered.</param>
    public RowField(RowContext row, byte[]? data)
        : this(row, data is null ? (ReadOnlyMemory<byte>?)null : data.AsMemory())
    {
    }
}

/// <summary>What became of one field of many.</summary>
/// <param name="Data">The plaintext; null for a null, and when <paramref name="Error"/> says why there is none.</param>
/// <param name="Error">A reason such as DECRYPTION_FAILED or WRAPPED_KEY_MISSING; null when it opened.</param>
public readonly record struct RowFieldResult(byte[]? Data, string? Error);
