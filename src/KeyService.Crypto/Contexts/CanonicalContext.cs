namespace KeyService.Crypto;

/// <summary>
/// The canonical bytes of a context in memory that somebody else owns: what an <see cref="EncryptionContext"/> is, without an object. Only
/// <see cref="EncryptionContext"/> and <see cref="ContextEncoder"/> make one, so its bytes keep every rule of docs/spec/context.md.
/// </summary>
public readonly ref struct CanonicalContext
{
    private readonly ReadOnlySpan<byte> _encoded;

    internal CanonicalContext(ReadOnlySpan<byte> encoded) => _encoded = encoded;

    /// <summary>The canonical bytes; those of the empty context for the default value.</summary>
    public ReadOnlySpan<byte> Encoded => _encoded.IsEmpty ? EncryptionContext.Empty.Encoded : _encoded;

    public static implicit operator CanonicalContext(EncryptionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return new CanonicalContext(context.Encoded);
    }
}
