namespace KeyService.Protocol.Bulk;

/// <summary>Which of its alternatives a stream message carries.</summary>
public enum StreamMessageKind
{
    /// <summary>None of them.</summary>
    None,
    Start,
    Data,
    Finish,
    Summary,

    /// <summary>The bytes are no such message.</summary>
    Malformed,

    /// <summary>Data of more than <see cref="BulkLimits.MaxPieceLength"/>.</summary>
    TooLarge,
}
