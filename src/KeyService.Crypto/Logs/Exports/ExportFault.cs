namespace KeyService.Crypto.Logs;

/// <summary>What is wrong with an export.</summary>
public enum ExportFault
{
    /// <summary>A record, an entry or a file that has to be there is not.</summary>
    Missing,

    /// <summary>A record, an entry or a tile is not the one that was signed.</summary>
    Edited,

    /// <summary>A record that belongs to another place or another log: reordered, repeated, inserted.</summary>
    Misplaced,

    /// <summary>Two signed statements, or one held elsewhere and the log, tell different histories.</summary>
    Forked,

    /// <summary>The log ends before a checkpoint that is held elsewhere.</summary>
    Truncated,

    /// <summary>A signature that has to be there is not, or does not verify, or is of a key that nobody vouches for.</summary>
    Unsigned,

    /// <summary>Bytes that are not of their format.</summary>
    Malformed,

    /// <summary>A file that does not belong to an export.</summary>
    Unexpected,

    /// <summary>Fewer witnesses cosigned than the policy demands.</summary>
    Unwitnessed,
}
