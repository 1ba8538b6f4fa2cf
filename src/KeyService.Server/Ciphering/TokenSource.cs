using KeyService.Crypto;
using KeyService.Server.Keys;

namespace KeyService.Server.Ciphering;

/// <summary>What stands behind the key version that a token names, as far as this caller may have it.</summary>
internal sealed class TokenSource
{
    private TokenSource(KeyVersion? version, FieldCipher? cipher, bool asksPerItem, ItemError error)
    {
        Version = version;
        Cipher = cipher;
        AsksPerItem = asksPerItem;
        Error = error;
    }

    public KeyVersion? Version { get; }

    /// <summary>Null when its tokens are not to be opened: see <see cref="Error"/>.</summary>
    public FieldCipher? Cipher { get; }

    /// <summary>Grants cover the key in some contexts only: each item's is asked for.</summary>
    public bool AsksPerItem { get; }

    public ItemError Error { get; }

    public static TokenSource Of(KeyVersion version, FieldCipher cipher, bool asksPerItem) =>
        new(version, cipher, asksPerItem, ItemError.None);

    public static TokenSource Refused(ItemError error) => new(null, null, false, error);
}
