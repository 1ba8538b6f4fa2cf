using KeyService.Crypto;

namespace KeyService.Client;

/// <summary>Under which key a blind index stands, and where its wrapped key is.</summary>
public sealed record BlindIndexOptions
{
    /// <summary>Name of a key made for blind indexes (<c>keyservice key create NAME --purpose blind-index</c>).</summary>
    public required string Key { get; init; }

    /// <summary>The table of wrapped data keys; it may be the one of the encrypted fields.</summary>
    public required WrappedKeyTable Table { get; init; }

    /// <summary>Name of the index key among those under <see cref="Key"/>, 1 to 128 characters; "default".</summary>
    public string Name { get; init; } = "default";

    /// <summary>Context of the index key itself, for grants that demand one. The same for good. Empty.</summary>
    public EncryptionContext Context { get; init; } = EncryptionContext.Empty;

    /// <summary>Bounds of the lease; of messages, bytes and lifetime none applies.</summary>
    public LeasePolicy Lease { get; init; } = new();

    internal BlindIndexOptions Checked()
    {
        ArgumentException.ThrowIfNullOrEmpty(Key);
        ArgumentException.ThrowIfNullOrEmpty(Name);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Name.Length, 128, nameof(Name));
        ArgumentNullException.ThrowIfNull(Table);
        ArgumentNullException.ThrowIfNull(Context);
        Lease.Checked();
        return this;
    }
}
