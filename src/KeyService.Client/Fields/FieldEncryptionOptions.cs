using KeyService.Crypto;

namespace KeyService.Client;

/// <summary>Under which key fields are encrypted, and where the wrapped data keys stand.</summary>
public sealed record FieldEncryptionOptions
{
    /// <summary>Name of the key at the service.</summary>
    public required string Key { get; init; }

    /// <summary>The table of wrapped data keys, in the caller's database, backed up with it: without it the fields cannot be read.</summary>
    public required WrappedKeyTable Table { get; init; }

    /// <summary>Context of the data keys themselves, for grants that demand one (a tenant, say). The same for good. Empty.</summary>
    public EncryptionContext Context { get; init; } = EncryptionContext.Empty;

    /// <summary>Bounds of the data keys.</summary>
    public LeasePolicy Lease { get; init; } = new();

    /// <summary>Data keys kept for decryption: 1 to 100,000; 1,000. About 20 KiB each.</summary>
    public int CachedKeys { get; init; } = 1000;

    /// <summary>How long a data key is kept for decryption before it is unwrapped anew: 1 second to 1 day; 10 minutes.</summary>
    public TimeSpan CachedKeyAge { get; init; } = TimeSpan.FromMinutes(10);

    internal FieldEncryptionOptions Checked()
    {
        ArgumentException.ThrowIfNullOrEmpty(Key);
        ArgumentNullException.ThrowIfNull(Table);
        ArgumentNullException.ThrowIfNull(Context);
        ArgumentOutOfRangeException.ThrowIfLessThan(CachedKeys, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(CachedKeys, 100_000);
        ArgumentOutOfRangeException.ThrowIfLessThan(CachedKeyAge, TimeSpan.FromSeconds(1));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(CachedKeyAge, TimeSpan.FromDays(1));
        Lease.Checked();
        return this;
    }
}
