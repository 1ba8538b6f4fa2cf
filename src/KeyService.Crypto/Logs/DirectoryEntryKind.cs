namespace KeyService.Crypto.Logs;

/// <summary>What an entry of the directory log says. Frozen.</summary>
public enum DirectoryEntryKind : byte
{
    /// <summary>A server took the slot and continues its log from this size.</summary>
    Lease = 1,

    /// <summary>The slot's log reached this size.</summary>
    Checkpoint = 2,

    /// <summary>The server gave the slot up, in good order, at this size; a lease opens it again.</summary>
    Seal = 3,

    /// <summary>Another key signs from now on, and none of those before.</summary>
    Key = 4,

    /// <summary>The key of another token of the group signs from now on too, beside those in force.</summary>
    PeerKey = 5,
}
