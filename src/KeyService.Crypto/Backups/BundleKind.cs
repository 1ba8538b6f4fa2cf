namespace KeyService.Crypto.Backups;

/// <summary>What of an installation stands in a bundle. Frozen.</summary>
public enum BundleKind : byte
{
    /// <summary>Every key with every version: alone enough to open all that was ever encrypted.</summary>
    Full = 1,

    /// <summary>The versions that no earlier bundle holds, with their keys. Opens what they protect; for the rest take the full one before it.</summary>
    Incremental = 2,
}
