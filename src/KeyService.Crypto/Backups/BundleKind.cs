namespace KeyService.Crypto.Backups;

/// <summary>What of an installation stands in a bundle. Frozen.</summary>
public enum BundleKind : byte
{
    /// <summary>Every key with every version: alone enough to open all that was ever encrypted.</summary>
    Full = 1,

    /// <summary>The versions that no earlier bundle holds, with their keys. Opens what they protect; for the rest take the full one before it.</summary>
    Incremental = 2,

    /// <summary>The keys that somebody named, with every version. Stands beside the chain: no restore is made of it, and what it holds counts nowhere as backed up.</summary>
    Selection = 3,
}
