namespace KeyService.Protocol.Bulk;

/// <summary>The limits that keyservice/v1/cipher.proto and context.proto promise; checked before work starts.</summary>
public static class BulkLimits
{
    /// <summary>Items of one batch: 1 to 10,000.</summary>
    public const int MaxItems = 10_000;

    /// <summary>Bytes of one batch message, request or answer: 3 MiB. Clients of C-core and JS refuse more than 4 MiB.</summary>
    public const int MaxMessageLength = 3 * 1024 * 1024;

    /// <summary>Bytes of one field, before encryption: 1 MiB.</summary>
    public const int MaxFieldLength = 1024 * 1024;

    /// <summary>Bytes of one stream piece: 1 to 1 MiB.</summary>
    public const int MaxPieceLength = 1024 * 1024;

    /// <summary>Pairs of one context.</summary>
    public const int MaxContextEntries = 16;
}
